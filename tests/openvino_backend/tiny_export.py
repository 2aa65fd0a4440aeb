"""The toy InstantID as folders on disk, and exported from there."""

from pathlib import Path

from ip_adapter.checkpoint import adapter_shapes, save_adapter
from openvino_backend.compiled import Device
from openvino_backend.runtime import Export
from openvino_backend.sources import Sources
from pipeline_instantid import StableDiffusionXLInstantIDImg2ImgPipeline, StableDiffusionXLInstantIDPipeline
from tests import tiny_sdxl
from tests.tiny_engine import tiny_pipeline
from weights.registry import PROFILES

EXACT = Device("CPU", "float32")
KINDS = ("depth", "edges")


def write_sources(folder: Path) -> Sources:
    """The networks of tests/tiny_sdxl.py as an export finds them, with the miniature's face models."""
    whole = tiny_pipeline()
    adapter = folder / "ip-adapter.safetensors"
    save_adapter(tiny_sdxl.adapter_state(adapter_shapes(whole.unet, width=tiny_sdxl.WIDTH)), adapter)
    tiny_sdxl.unet().save_pretrained(folder / "base/unet")
    for name in ("text_encoder", "text_encoder_2", "vae", "scheduler", "tokenizer", "tokenizer_2"):
        getattr(whole, name).save_pretrained(folder / "base" / name)
    nets = {"identity_net": "identity", **{kind: kind for kind in KINDS}}
    for name, seed in nets.items():
        tiny_sdxl.controlnet(seed).save_pretrained(folder / name)
    pack = PROFILES["miniature"].face_pack
    assert pack.weight.folder is not None
    return Sources(
        folder / "base",
        folder / "identity_net",
        adapter,
        pack.weight.folder / pack.path,
        controls={kind: folder / kind for kind in KINDS},
    )


def pipeline_of(folder: Path, variant: str = "plain", nets: int = 1, device: Device = EXACT):
    """A pipeline on compiled networks, without text encoders, like tests/tiny_pipeline.build."""
    export = Export(folder, device)
    components = {**tiny_sdxl.components(), **export.components(), "text_encoder": None, "text_encoder_2": None}
    if nets > 1:
        components["controlnet"] = [components["controlnet"], *(export.control(kind) for kind in KINDS[: nets - 1])]
    kind = StableDiffusionXLInstantIDImg2ImgPipeline if variant == "img2img" else StableDiffusionXLInstantIDPipeline
    pipeline = kind(**components)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
