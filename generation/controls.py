"""Further ControlNets beside IdentityNet: poses, edges and depth of a picture that the made one should follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from PIL import Image

from errors import RequestError
from face.photo import open_photo
from generation import ranges
from generation.annotate import ANNOTATORS, letterboxed
from generation.sources import Sources

if TYPE_CHECKING:
    from generation.request import GenerationRequest
    from generation.scene import Scene
    from weights.registry import Profile

MOST = 4
MAX_STRENGTH = 2.0
KEPT = ("kind", "strength", "start", "end", "is_map")
"""Of a control, what settings hold."""


@dataclass(frozen=True, eq=False)
class Control:
    """A picture to be followed.

    kind: "pose", "canny" or "depth".
    strength: 0 (off) to 2.
    start, end: it acts in this part of the run, fractions with start < end.
    picture: what is followed, RGB; None for the request's pose picture, or else the picture it starts from, or the
        part that is made of the photo that the person is put into.
    is_map: the picture is what the net reads already (edges, depth, a skeleton), so nothing is to be found in it.
    """

    kind: str
    strength: float = 0.7
    start: float = 0.0
    end: float = 1.0
    picture: Image.Image | None = None
    is_map: bool = False


@dataclass(frozen=True, eq=False)
class ReadyControl:
    """A control ready for the pipeline.

    picture: what the net reads, RGB, of the size to be made.
    net: folder of the net.
    """

    kind: str
    strength: float
    start: float
    end: float
    picture: Image.Image
    net: Path


def settled(request: GenerationRequest) -> dict[str, Any]:
    """`controls`, checked. Raises RequestError."""
    controls = request.controls
    if not isinstance(controls, tuple | list) or not all(isinstance(one, Control) for one in controls):
        raise RequestError("controls holds something that is no control.", field="controls", cure="Give controls.")
    if len(controls) > MOST:
        raise RequestError(f"{len(controls)} controls are too many.", field="controls", cure=f"Give at most {MOST}.")
    return {"controls": tuple(_checked(one, request) for one in controls)}


def _checked(control: Control, request: GenerationRequest) -> Control:
    kind = ranges.one_of("controls", control.kind, ANNOTATORS)
    strength, start, end = (
        ranges.number("controls", getattr(control, part), 0.0, most, name=f"The {part} of the control {kind}")
        for part, most in (("strength", MAX_STRENGTH), ("start", 1.0), ("end", 1.0))
    )
    if start >= end:
        raise RequestError(
            f"The control {kind} ends before it starts.", field="controls", cure="Give it a start below its end."
        )
    grounds = (control.picture, request.pose, request.start_picture, request.into)
    picture = next((one for one in grounds if one is not None), None)
    if not isinstance(picture, Image.Image):
        raise RequestError(
            f"The control {kind} has no picture to follow.",
            field="controls",
            cure="Give it a picture, or give a pose picture.",
        )
    return Control(kind, strength, start, end, picture, ranges.flag("controls", control.is_map))


def ready(
    wish: GenerationRequest, scene: Scene, profile: Profile, sources: Sources
) -> tuple[tuple[ReadyControl, ...], list[str]]:
    """The controls of a settled request, their pictures annotated, and notes. Nets and annotators arrive at first use.

    Raises RequestError when the profile has no such net, WeightsMissing, WeightsCorrupt, PhotoError, NoFaceFound.
    """
    made, notes, size = [], [], scene.size
    for control in wish.controls:
        net = _net_folder(control.kind, profile, sources)
        picture = open_photo(cast(Image.Image, control.picture), field="controls")
        if control.picture is wish.into and scene.canvas is not None:
            picture = scene.canvas.picture
        annotated = letterboxed(picture, size, _how(control, profile, sources))
        if abs(picture.width * size[1] - picture.height * size[0]) > 0.02 * picture.width * size[1]:
            notes.append(
                f"The picture of the control {control.kind} has other proportions: it was fitted, with borders."
            )
        made.append(ReadyControl(control.kind, control.strength, control.start, control.end, annotated, net))
    return tuple(made), notes


def _how(control: Control, profile: Profile, sources: Sources) -> Callable[[Image.Image], Image.Image]:
    """What makes a map of a control's picture."""
    if control.is_map:
        return lambda picture: picture
    parts = dict(profile.annotators).get(control.kind, ())
    folders = [sources.weight(part.weight, "controls") / part.path for part in parts]
    return lambda picture: ANNOTATORS[control.kind](picture, *folders)


def _net_folder(kind: str, profile: Profile, sources: Sources) -> Path:
    part = dict(profile.controls).get(kind)
    folder = None if part is None else sources.weight(part.weight, "controls") / part.path
    if folder is None or not (folder / "config.json").is_file():
        raise RequestError(
            f"{profile.title} has no ControlNet for {kind}.",
            field="controls",
            cure="Leave it out, or choose another profile.",
        )
    return folder


class ControlNets:
    """Loaded nets, each read once; in memory beside the device until a request needs them.

    Args:
        load: reads a folder as a ControlNetModel of the networks' precision.
    """

    def __init__(self, load: Callable[[Path], Any] | None = None) -> None:
        self._load = load or load_net
        self._nets: dict[Path, Any] = {}

    def of(self, controls: Sequence[ReadyControl], pipeline: Any) -> list[Any]:
        """A net for each control, on the device and in the precision of the pipeline's networks.

        Raises RequestError for a net of another base model.
        """
        nets = []
        for control in controls:
            if control.net not in self._nets:
                self._nets[control.net] = self._load(control.net)
            net = self._nets[control.net]
            if not _fits(net.config, pipeline.unet.config):
                raise RequestError(
                    f"The ControlNet for {control.kind} belongs to another base model.",
                    field="controls",
                    cure="Choose one that was trained for this base.",
                )
            nets.append(net.to(pipeline._execution_device, pipeline.unet.dtype))
        return nets

    def rest(self) -> None:
        """Gives the device back what the nets hold of it."""
        for net in self._nets.values():
            net.to("cpu")


def _fits(net: Mapping[str, Any], unet: Mapping[str, Any]) -> bool:
    """Whether a net's residuals have the UNet's shapes, and its attention, where it has any, the text's width."""
    same = [name for name in ("in_channels", "block_out_channels", "layers_per_block") if name in net]
    blocks = (*net.get("down_block_types", ()), net.get("mid_block_type") or "")
    if any("CrossAttn" in block for block in blocks):
        same.append("cross_attention_dim")
    return all(_listed(net[name]) == _listed(unet[name]) for name in same)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list) else value


def load_net(folder: Path) -> Any:
    """A ControlNetModel from its folder, on the CPU."""
    from diffusers import ControlNetModel

    return ControlNetModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()


def as_settings(controls: Sequence[Control]) -> list[dict[str, Any]]:
    """Controls as JSON can hold them, without their pictures."""
    return [{name: getattr(one, name) for name in KEPT} for one in controls]
