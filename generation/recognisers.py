"""Names that recognisers go by, and whether a template adapter leads to the one that weights know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from errors import RequestError
from weights.published import Part
from weights.registry import PROFILES

if TYPE_CHECKING:
    from template_adapter.linear import LinearMap
    from weights.registry import Profile


def pack_name(part: Part) -> str:
    """What a face pack is called: its folder, or the weight it is."""
    return part.path.rpartition("/")[2] or part.weight.name


PACKS = {
    **{pack_name(one.neutral): pack_name(one.neutral) for one in PROFILES.values() if one.neutral is not None},
    **{pack_name(one.face_pack): pack_name(one.face_pack) for one in PROFILES.values()},
    **{name: pack_name(one.face_pack) for name, one in PROFILES.items()},
}
"""The pack behind each name that recognisers go by: their own, and that of a profile for what its weights know."""


def leads_to(target: str, profile: Profile) -> bool:
    """Whether a recogniser of this name can be the one that the profile's weights know; unknown names can."""
    own = pack_name(profile.face_pack)
    return PACKS.get(target, own) == own


def for_weights(adapter: LinearMap, profile: Profile) -> LinearMap:
    """The adapter itself. Raises RequestError when what comes out of it is not what the profile's weights read."""
    adapter.check_for_weights()
    target = adapter.about.target
    if not leads_to(target, profile):
        raise RequestError(
            f"The adapter maps into the space of {target}, which the weights {profile.name} do not read.",
            field="adapter",
            cure="Fit one whose target is the weights' own recogniser, or take weights that know this one.",
        )
    return adapter
