"""What is asked for, as one frozen dataclass; the names of what comes back are here too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from generation import best, controls, into, lora_choice, modes, placing, ranges, strengths, who
from generation.controls import Control
from generation.lora_choice import Lora, lora_files
from generation.people import Person
from generation.result import Before, GeneratedImage, GenerationResult, Progress
from generation.schedulers import SCHEDULERS
from style_presets import NO_STYLE, STYLES, Style
from template_adapter.template import Template

if TYPE_CHECKING:
    from weights.registry import Profile

__all__ = [
    "Before",
    "GeneratedImage",
    "GenerationRequest",
    "GenerationResult",
    "Lora",
    "Progress",
    "lora_files",
]

MAX_COUNT = 8
MAX_STEPS = 200
MAX_GUIDANCE = 30.0
MAX_SCALE = 2.0

PICTURES = ("photos", "others", "pose", "controls", "start_picture", "into", "mask")
"""Fields that hold pictures, which no settings keep."""

UNKEPT = (*PICTURES, "notes")


@dataclass(frozen=True, eq=False)
class GenerationRequest:
    """One wish for pictures of one person, or of several. `None` means the profile's default.

    Attributes:
        photos: pictures of the person, 1 to 16, RGB, upright (see `face.photo.open_photo`); none with `template`.
        template: who it is without any photo, in the space of the weights' own recogniser; one of another recogniser
            is mapped by `template_adapter.linear.LinearMap.map_template` first. Without a pose of its own the picture
            takes the view "front".
        face_choices: which face of each photo, 0 = the largest; None or missing = the largest.
        others: up to three further people, each with own photos.
        assignment: who stands where, from left to right: 0 the person of `photos`, 1 the first of `others`, ...; as
            given where it is None.
        pose: a picture whose face gives the pose; without it (and without `view`) the first used photo gives it.
        pose_face: which face of the pose picture, 0 = the largest.
        view: name in `face.keypoints.VIEWS`; excludes `pose`.
        view_size: face height as a fraction of the short side, 0.1 to 1; only with `view`. None for the weights' own.
        view_centre: x, y of the face in fractions of width and height; only with `view`. None for the weights' own,
            several heads in the middle of the height.
        keypoints: (5, 2) x, y px in the picture to be made, of several people (people, 5, 2) from left to right;
            excludes `pose` and `view`. Written by `to_settings`, so that a picture made after a pose picture can be
            made again without it.
        style: name in `style_presets.STYLES`.
        identity_net_scale: strength of the IdentityNet (face shape and place), 0 to 2.
        adapter_scale: strength of the face tokens in the UNet (face detail), 0 to 2.
        strengths: name in `generation.strengths.STRENGTHS`; sets what is left open of the strengths and what follows.
        adapter_start, adapter_end: the face adapter acts in this part of the run; the whole run by default.
        guidance_rescale: how far guided predictions are brought back to their usual spread, 0 (off) to 1.
        face_noise: noise in the face that guidance leads away from, 0 (off) to 1.
        compare_colours: make the first picture once more without identity, to say whether the person burns it.
        identity_start, identity_end: the IdentityNet acts in this part of the run, fractions with start < end; the
            whole run where neither this nor a mode says otherwise.
        mode: name in `generation.modes.MODES`, or "turbo"; sets what is left open of speed, and its LoRA.
        steps: 1 to 200.
        guidance: 0 to 30; at 1 or below nothing is guided and the negative prompt has no effect.
        guidance_start, guidance_end: only this part of the run is guided, fractions with start <= end; a step of the
            rest costs half, and at start = end nothing is guided.
        seed: 0 to 2**32 - 1; None draws one. Picture k of `count` has seed + k (modulo 2**32), and is the picture
            that a request of one picture with that seed makes.
        scheduler: name in `generation.schedulers.SCHEDULERS`.
        width, height: px; snapped to the profile's step with a note, refused outside its range.
        count: 1 to 8 pictures.
        best_of: make so many, up to 32, and keep the `count` with the best likeness and pose; None keeps all.
        controls: further ControlNets, each with a picture to follow.
        start_picture: a picture to start from instead of noise, cut to the size to be made; where no pose is asked for,
            its face gives it. Width and height follow its proportions where neither is given.
        into: a photo one of whose faces becomes the person's; nothing else in it changes, and it keeps its size.
        into_face: which face of that photo, 0 = the largest.
        mask: where `into` or `start_picture` may change, white, of that picture's own size; outside no pixel changes.
        strength: share of the run that is gone through from such a picture, 0.05 to 1: how much may change.
        refine: make small faces again at full size: "never", "auto" (those whose likeness asks for it) or "always".
        face_region: keep the IdentityNet to the surroundings of the face.
        loras: LoRAs with weights, applied for this request alone.
        notes: what `resolved` changed, in plain words.
    """

    photos: tuple[Image.Image, ...] = ()
    template: Template | None = None
    face_choices: tuple[int | None, ...] = ()
    others: tuple[Person, ...] = ()
    assignment: tuple[int, ...] | None = None
    pose: Image.Image | None = None
    pose_face: int | None = None
    view: str | None = None
    view_size: float | None = None
    view_centre: tuple[float, float] | None = None
    keypoints: tuple[Any, ...] | None = None
    prompt: str = ""
    negative_prompt: str = ""
    style: str = NO_STYLE
    identity_net_scale: float | None = None
    adapter_scale: float | None = None
    identity_start: float | None = None
    identity_end: float | None = None
    strengths: str | None = None
    adapter_start: float | None = None
    adapter_end: float | None = None
    guidance_rescale: float | None = None
    face_noise: float | None = None
    compare_colours: bool = False
    mode: str | None = None
    steps: int | None = None
    guidance: float | None = None
    guidance_start: float | None = None
    guidance_end: float | None = None
    seed: int | None = None
    scheduler: str | None = None
    width: int | None = None
    height: int | None = None
    count: int = 1
    best_of: int | None = None
    controls: tuple[Control, ...] = ()
    start_picture: Image.Image | None = None
    into: Image.Image | None = None
    into_face: int | None = None
    mask: Image.Image | None = None
    strength: float | None = None
    refine: str = "never"
    face_region: bool = True
    loras: tuple[Lora, ...] = ()
    notes: tuple[str, ...] = ()

    def resolved(self, profile: Profile, styles: Mapping[str, Style] = STYLES) -> GenerationRequest:
        """The same request with every default filled in and every value checked.

        Args:
            styles: the presets to choose from, by name.

        Raises:
            RequestError: names the field, what is allowed and what to do. No other error for any input.
        """
        if self.strengths is not None:
            self = self._filled(strengths.settings_of(self.strengths))
        if self.mode is not None:
            self = self._in_mode(profile)
        notes: list[str] = []

        def noted(value_and_note: tuple[Any, str | None]) -> Any:
            value, note = value_and_note
            if note:
                notes.append(note)
            return value

        def default(value: Any, otherwise: Any) -> Any:
            return otherwise if value is None else value

        everybody = who.settled(self, noted)
        prompt = noted(ranges.text("prompt", self.prompt))
        negative_prompt = noted(ranges.text("negative_prompt", self.negative_prompt))
        width, height = placing.size_of(self, profile, noted)
        windows = {
            **ranges.window("identity", self.identity_start, self.identity_end, "set identity_net_scale to 0"),
            **ranges.window("adapter", self.adapter_start, self.adapter_end, "set adapter_scale to 0"),
            **ranges.window("guidance", self.guidance_start, self.guidance_end),
        }
        guidance = ranges.number("guidance", default(self.guidance, profile.guidance), 0.0, MAX_GUIDANCE)
        if negative_prompt and (guidance <= 1.0 or windows["guidance_start"] == windows["guidance_end"]):
            notes.append("negative_prompt has no effect where nothing is guided.")
        pose = placing.pose_of(self, profile, width, height)
        placed = (pose["view_size"], pose["view_centre"]) != (profile.view_size, profile.view_centre)
        if placed and self.view is None and self.template is None and not self.others:
            notes.append("view_size and view_centre have no effect without a view.")
        notes += into.notes(self, profile)
        seed = int(np.random.default_rng().integers(ranges.MAX_SEED + 1)) if self.seed is None else self.seed
        return replace(
            self,
            **everybody,
            **pose,
            **into.settled(self),
            prompt=prompt,
            negative_prompt=negative_prompt,
            style=ranges.one_of("style", self.style, styles),
            identity_net_scale=ranges.number(
                "identity_net_scale", default(self.identity_net_scale, profile.identity_net_scale), 0.0, MAX_SCALE
            ),
            adapter_scale=ranges.number(
                "adapter_scale", default(self.adapter_scale, profile.adapter_scale), 0.0, MAX_SCALE
            ),
            **windows,
            guidance_rescale=ranges.number("guidance_rescale", default(self.guidance_rescale, 0.0), 0.0, 1.0),
            face_noise=ranges.number("face_noise", default(self.face_noise, 0.0), 0.0, 1.0),
            compare_colours=ranges.flag("compare_colours", self.compare_colours),
            steps=ranges.whole("steps", default(self.steps, profile.steps), 1, MAX_STEPS),
            guidance=guidance,
            seed=ranges.whole("seed", seed, 0, ranges.MAX_SEED),
            scheduler=ranges.one_of("scheduler", default(self.scheduler, profile.scheduler), SCHEDULERS),
            width=width,
            height=height,
            count=ranges.whole("count", self.count, 1, MAX_COUNT),
            **best.settled(self),
            **controls.settled(self),
            face_region=ranges.flag("face_region", self.face_region),
            loras=lora_choice.settled(self.loras, profile),
            notes=tuple(notes),
        )

    def _in_mode(self, profile: Profile) -> GenerationRequest:
        """What the mode says, where nothing else is said. Settling twice adds the mode's LoRA once."""
        name = modes.settled(self.mode, profile)
        lora, loras = modes.lora_of(name, profile), self.loras
        if lora is not None and not any(getattr(one, "path", None) == lora for one in lora_choice.listed(loras)):
            loras = (*lora_choice.listed(loras), Lora(lora))
        return replace(self, mode=name, loras=loras)._filled(modes.settings_of(name, profile))

    def _filled(self, wanted: Mapping[str, Any]) -> GenerationRequest:
        """The same with these fields where nothing is said."""
        return replace(self, **{field: value for field, value in wanted.items() if getattr(self, field) is None})

    def to_settings(self) -> dict[str, Any]:
        """Everything but pictures, as JSON can hold it. A LoRA file is named by its name alone: a path is private.

        Of a template only its provenance is told, none of its numbers.
        """
        settings: dict[str, Any] = {}
        for field in fields(self):
            if field.name in UNKEPT:
                continue
            value = getattr(self, field.name)
            if isinstance(value, Template):
                value = value.provenance()
            elif field.name == "loras":
                value = [{"name": lora_choice.public_name(lora.path), "weight": lora.weight} for lora in value]
            elif field.name == "keypoints" and value is not None:
                value = np.asarray(value, np.float64).tolist()
            elif isinstance(value, tuple):
                value = list(value)
            settings[field.name] = value
        if self.others:
            settings["people"] = len(self.others) + 1
        if self.controls:
            settings["followed"] = controls.as_settings(self.controls)
        if needs := [name for name in ("others", "controls", "start_picture", "into", "mask") if getattr(self, name)]:
            settings["needs"] = needs
        return settings

    @staticmethod
    def from_settings(
        settings: Mapping[str, Any], photos: tuple[Image.Image, ...], **changes: Any
    ) -> GenerationRequest:
        """The request that `to_settings` wrote, for these photos; keys that are no field of a request are passed over.

        LoRAs of a repository or the registry come back; files cannot: pass `loras=` when `lora_files(settings)` names
        any; nor can a template.
        """
        known = {field.name for field in fields(GenerationRequest)} - {*UNKEPT, "template", "loras"}
        values = {name: _tuples(value) for name, value in settings.items() if name in known}
        files = lora_files(settings)
        values["loras"] = tuple(
            Lora(one["name"], one.get("weight", 1.0)) for one in lora_choice.rows(settings) if one["name"] not in files
        )
        return GenerationRequest(photos=photos, **{**values, **changes})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
