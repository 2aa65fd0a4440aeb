"""Profiles: which weights belong together and how they are run best."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from weights.published import (
    ANTELOPEV2,
    ASSETS,
    BUFFALO_L,
    CLIP,
    CONTROL_CANNY,
    CONTROL_DEPTH,
    CONTROL_POSE,
    DEPTH_ANYTHING,
    HYPER_SD_LORA,
    INSTANTID,
    LCM_LORA,
    LIGHTNING_LORA,
    MINIATURE,
    PERSON_DETECTOR,
    REALVISXL,
    SDXL_BASE,
    TCD_LORA,
    VAE_FP16_FIX,
    VITPOSE,
    WEIGHTS,
    YAMERMIX,
    File,
    Part,
    Weight,
)

__all__ = [
    "ASSETS",
    "AUTO",
    "PROFILES",
    "SHIPPED_LORAS",
    "WEIGHTS",
    "File",
    "Part",
    "Profile",
    "Weight",
    "choose_profile",
]

AUTO = "auto"
REAL_DEFAULT = "realvisxl"  # photographic, and its licence is known; that of the official demo's base is not


@dataclass(frozen=True)
class Profile:
    """A base model with everything that InstantID needs around it.

    Args:
        name: what the user types.
        title: what the user reads.
        base: folder of the base in diffusers' layout.
        identity_net: folder with config.json and diffusion_pytorch_model.safetensors.
        adapter: file with the face adapter (.bin or .safetensors).
        face_pack: folder of the ONNX face models.
        vae: folder of a replacement decoder, or None for the base's own.
        size: (width, height) in pixels made by default.
        sizes: presets as (label, width, height). 1024 x 1024 is left out on purpose: the training photographs of that
            size carried stock-photo watermarks, which come back at exactly that size.
        size_step: width and height are multiples of this.
        min_side: smallest width or height in pixels.
        steps, guidance, scheduler: defaults of a request; the scheduler by its name in generation/schedulers.py.
        identity_net_scale, adapter_scale: defaults of the two strengths.
        half_precision: whether the networks run at half precision on an accelerator; on the CPU they never do.
        drawn: people come out as drawings, which the interfaces say.
        det_size: side in pixels of the square that the face detector sees.
        keypoint_base_side: side of the picture at which the official keypoint drawing has its official thickness.
        checkpoint: file with the base's networks, in the original layout; `base` then has configuration and tokenizers.
        own_adapter, own_identity_net: file and folder of the user's own, in the place of `adapter` and `identity_net`.
        turbo: the fastest mode, by its name in generation/modes.py.
        fast: LoRAs of the modes that need one, as (mode, name of the LoRA).
        neutral: folder of a face pack whose recogniser judges pictures and never conditions them; optional like extras.
        refine_below: likeness under which a small face is worth making again.
        view_size, view_centre: where a view's head is drawn when nothing else is said: its height, hairline to chin,
            over the short side of the picture, and its middle as fractions of width and height.
        smallest_face: height of a face, hairline to chin, over the short side of the picture, below which these weights
            draw none worth looking at. A figure that would have a smaller one is shown from nearer by.
        controls: further ControlNets as (kind in generation/controls.py, folder), fetched at first use.
        annotators: of controls whose maps are found by networks, their folders, in the order generation/annotate.py
            takes them.
        extras: optional weights that go with this profile.
    """

    name: str
    title: str
    base: Part
    identity_net: Part
    adapter: Part
    face_pack: Part
    vae: Part | None
    size: tuple[int, int]
    sizes: tuple[tuple[str, int, int], ...]
    size_step: int
    min_side: int
    steps: int
    guidance: float
    scheduler: str
    identity_net_scale: float = 0.8
    adapter_scale: float = 0.8
    half_precision: bool = True
    drawn: bool = False
    det_size: int = 640
    keypoint_base_side: int = 1024
    checkpoint: Path | None = None
    own_adapter: Path | None = None
    own_identity_net: Path | None = None
    turbo: str = "few-steps"
    fast: tuple[tuple[str, str], ...] = ()
    neutral: Part | None = None
    refine_below: float = 0.5
    view_size: float = 0.5
    view_centre: tuple[float, float] = (0.5, 0.45)
    smallest_face: float = 0.1
    controls: tuple[tuple[str, Part], ...] = ()
    annotators: tuple[tuple[str, tuple[Part, ...]], ...] = ()
    extras: tuple[Weight, ...] = ()

    @property
    def own(self) -> dict[str, Path]:
        """What the user has of their own in the place of `parts`."""
        own = {"adapter": self.own_adapter, "identity_net": self.own_identity_net}
        return {name: path for name, path in own.items() if path is not None}

    @property
    def parts(self) -> dict[str, Part]:
        """What is read of published or shipped weights."""
        names = ("base", "identity_net", "adapter", "face_pack", "vae")
        parts = {name: getattr(self, name) for name in names if name not in self.own}
        return {name: part for name, part in parts.items() if part is not None}

    @property
    def weights(self) -> tuple[Weight, ...]:
        """Every weight that must be there, each once, extras left out."""
        return tuple(dict.fromkeys(part.weight for part in self.parts.values()))

    @property
    def shipped(self) -> bool:
        """Whether nothing has to be downloaded."""
        return all(weight.folder is not None for weight in self.weights)


def shipped_loras(weight: Weight) -> dict[str, Part]:
    """LoRAs in the folder `loras` of a shipped weight: "miniature-lcm" is loras/lcm.safetensors of the miniature."""
    folder = ASSETS if weight.folder is None else weight.folder
    return {
        f"{weight.name}-{file.stem}": Part(weight, f"loras/{file.name}")
        for file in sorted((folder / "loras").glob("*.safetensors"))
    }


SHIPPED_LORAS: dict[str, Part] = shipped_loras(MINIATURE)
"""LoRAs that come with the app, by the name that a request gives."""

_MINIATURE_LCM = f"{MINIATURE.name}-lcm"

_SDXL_SIZES = (
    ("Portrait", 896, 1152),
    ("Square", 1016, 1016),
    ("Tall", 832, 1216),
    ("Landscape", 1152, 896),
    ("Wide", 1216, 832),
)


def _sdxl(name: str, title: str, base: Weight, guidance: float) -> Profile:
    return Profile(
        name=name,
        title=title,
        base=Part(base),
        identity_net=Part(INSTANTID, "ControlNetModel"),
        adapter=Part(INSTANTID, "ip-adapter.bin"),
        face_pack=Part(ANTELOPEV2),
        vae=Part(VAE_FP16_FIX),
        size=(896, 1152),
        sizes=_SDXL_SIZES,
        size_step=8,
        min_side=512,
        steps=30,
        guidance=guidance,
        scheduler="Euler",
        turbo="lcm",
        fast=(
            ("lcm", LCM_LORA.name),
            ("lightning", LIGHTNING_LORA.name),
            ("hyper-sd", HYPER_SD_LORA.name),
            ("tcd", TCD_LORA.name),
        ),
        extras=(LCM_LORA, LIGHTNING_LORA, HYPER_SD_LORA, TCD_LORA, BUFFALO_L, CLIP),
        neutral=Part(BUFFALO_L, "models/buffalo_l"),
        controls=(("pose", Part(CONTROL_POSE)), ("canny", Part(CONTROL_CANNY)), ("depth", Part(CONTROL_DEPTH))),
        annotators=(("pose", (Part(PERSON_DETECTOR), Part(VITPOSE))), ("depth", (Part(DEPTH_ANYTHING),))),
    )


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="miniature",
            title="Miniature (drawn people, runs anywhere)",
            base=Part(MINIATURE, "base"),
            identity_net=Part(MINIATURE, "ControlNetModel"),
            adapter=Part(MINIATURE, "ip-adapter.safetensors"),
            face_pack=Part(MINIATURE, "face"),
            vae=None,
            size=(128, 128),
            sizes=(("Square", 128, 128), ("Portrait", 128, 160), ("Landscape", 160, 128), ("Wide", 256, 128)),
            size_step=32,
            min_side=96,
            steps=25,
            guidance=2.5,
            scheduler="DDIM",
            half_precision=False,
            drawn=True,
            det_size=192,
            keypoint_base_side=128,
            neutral=Part(MINIATURE, "face_other"),
            refine_below=0.35,
            turbo="lcm" if _MINIATURE_LCM in SHIPPED_LORAS else "few-steps",
            fast=(("lcm", _MINIATURE_LCM),) if _MINIATURE_LCM in SHIPPED_LORAS else (),
            view_size=0.62,
            view_centre=(0.5, 0.47),
            smallest_face=0.62,
            controls=(("canny", Part(MINIATURE, "controls/canny")), ("depth", Part(MINIATURE, "controls/depth"))),
            annotators=(("depth", (Part(MINIATURE, "controls/depth_estimator"),)),),
        ),
        _sdxl("sdxl", "SDXL base 1.0", SDXL_BASE, 5.0),
        _sdxl("yamermix", "YamerMIX v8 (InstantID's own demo)", YAMERMIX, 4.0),
        _sdxl("realvisxl", "RealVisXL V5 (photographic)", REALVISXL, 3.0),
    )
}


def choose_profile(has_accelerator: bool) -> str:
    """What `auto` means: the real default where CUDA, MPS or ZeroGPU is present, else the miniature."""
    return REAL_DEFAULT if has_accelerator else "miniature"
