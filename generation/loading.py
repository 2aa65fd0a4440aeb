"""From a profile's name to an engine that is ready for requests.

The heavy libraries are imported when something is loaded, not before: a page can be up and a request refused while
they are still on their way.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import RequestError, WeightsCorrupt
from generation.bases import with_base
from generation.checkpoints import shapes_in
from generation.own_parts import check_identity_net, own_digest, with_own_parts
from generation.settings import Settings, on_zero_gpu
from generation.single_file import open_checkpoint
from generation.sources import Sources
from style_presets import STYLES, Style, load_styles
from weights import bundle, lock
from weights.registry import AUTO, PROFILES, Profile, Weight, choose_profile
from weights.store import Progress, Store

if TYPE_CHECKING:
    from face.analyzer import FaceAnalyzer
    from generation.engine import Engine
    from generation.memory import Plan


def load_engine(
    profile: str | Profile = AUTO, settings: Settings | None = None, *, downloading: Progress | None = None
) -> Engine:
    """Load the weights of a profile and everything around them.

    Args:
        profile: a name in `weights.registry.PROFILES`, "auto", or a profile of one's own.
        settings: None reads the environment.
        downloading: told (file, bytes there, bytes in all) while missing weights arrive; None downloads nothing.

    Raises:
        RequestError: no such profile or device.
        WeightsMissing: names the file and the command that brings it. Found out before anything heavy is imported.
        WeightsCorrupt: a file is not what it should be.
    """
    settings = settings or Settings.from_environment()
    chosen = profile if isinstance(profile, Profile) else pick_profile(profile)
    store = Store(settings.models_dir, settings.offline or None)
    chosen = with_base(chosen, settings.base, settings.vae, store, downloading)
    chosen = with_own_parts(chosen, settings.adapter, settings.identity_net)
    if chosen.own and settings.backend == "openvino":
        raise RequestError(
            "OpenVINO runs the profile's own adapter and IdentityNet alone.",
            field="backend",
            cure="Leave --backend openvino out, or --adapter and --identity-net.",
        )
    if downloading is not None:
        for weight in chosen.weights:
            if not store.status(weight).present:
                store.fetch(weight, downloading)
    parts = {name: store.path(part) for name, part in chosen.parts.items()} | chosen.own
    styles = STYLES if settings.styles is None else load_styles(settings.styles)
    if settings.backend == "openvino":
        return _compiled_engine(chosen, store, settings, styles)
    hush_libraries()
    from generation.engine import Engine
    from generation.memory import free_gib, pick_device, plan

    device = pick_device(settings.device)
    how = plan(chosen, device, free_gib(device), dtype=settings.dtype)
    return Engine(
        _load_pipeline(chosen, parts, how),
        _analyzer(chosen, parts["face_pack"]),
        chosen,
        styles=styles,
        sources=Sources(store),
        provenance={
            "weights": fingerprint(chosen, store),
            "backend": "torch",
            "device": how.device,
            "precision": str(how.dtype).removeprefix("torch."),
            **_made_with(),
        },
    )


def _compiled_engine(chosen: Profile, store: Store, settings: Settings, styles: Mapping[str, Style]) -> Engine:
    from generation import compiled

    compiled.pick_precision(chosen, settings)
    hush_libraries()
    from generation.engine import Engine

    parts = compiled.load(chosen, store, settings)
    return Engine(
        parts.pipeline,
        parts.analyzer,
        chosen,
        styles=styles,
        load_net=parts.load_net,
        sources=Sources(store),
        provenance={"weights": fingerprint(chosen, store), **parts.provenance, **_made_with("openvino")},
        running=parts.export.running,
        remarks=parts.export.remarks,
    )


def pick_profile(name: str = AUTO) -> Profile:
    """A profile by name; "auto" takes the photographic default where there is an accelerator, else the miniature."""
    if name == AUTO:
        name = choose_profile(has_accelerator())
    if name not in PROFILES:
        raise RequestError(
            f"There is no profile {name!r}.", field="profile", cure=f"Choose one of: {AUTO}, {', '.join(PROFILES)}."
        )
    return PROFILES[name]


def has_accelerator() -> bool:
    """Whether CUDA, MPS or a ZeroGPU is there."""
    if on_zero_gpu():
        return True
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


def fingerprint(profile: Profile, store: Store) -> dict[str, str]:
    """Of each weight of a profile: its name and 12 hexadecimal digits over the hashes of what makes pictures in it.

    A base of the user's own is known by its size and its table of tensors: hashing all of it takes too long. Adapter
    and IdentityNet of their own are known by their content.
    """
    records = lock.read(store.models_dir)
    parts = [part for name, part in profile.parts.items() if name != "vae"]
    found = {
        weight.name: _digest(weight, records, tuple(part.path for part in parts if part.weight == weight))
        for weight in profile.weights
    }
    found |= {f"{name} of one's own": own_digest(path) for name, path in profile.own.items()}
    if profile.checkpoint is not None:
        table = repr((profile.checkpoint.stat().st_size, sorted(shapes_in(profile.checkpoint, "base").items())))
        found[profile.name] = hashlib.sha256(table.encode()).hexdigest()[:12]
    return found


def _digest(weight: Weight, records: lock.Records, parts: tuple[str, ...]) -> str:
    """parts: files and folders of a shipped weight that count; what else it holds judges pictures and makes none."""
    if weight.folder is not None:
        sums = bundle.read_sums(weight.folder)
        hashes = {name: value for name, value in sums.items() if any(_inside(name, part) for part in parts)}
    else:
        hashes = {name: record.sha256 for name, record in records.get(weight.name, {}).items()}
    listed = "\n".join(f"{value} {name}" for name, value in sorted(hashes.items()))
    return hashlib.sha256(listed.encode()).hexdigest()[:12]


def _inside(name: str, part: str) -> bool:
    return not part or name == part or name.startswith(f"{part}/")


def _made_with(*more: str) -> dict[str, Any]:
    return {"versions": {name: importlib.metadata.version(name) for name in ("diffusers", "torch", *more)}}


def load_analyzer(profile: Profile, settings: Settings, *, downloading: Progress | None = None) -> FaceAnalyzer:
    """The face analyzer of a profile alone, for a process that makes no pictures. As in `load_engine`."""
    store = Store(settings.models_dir, settings.offline or None)
    if downloading is not None and not store.status(profile.face_pack.weight).present:
        store.fetch(profile.face_pack.weight, downloading)
    return _analyzer(profile, store.path(profile.face_pack))


def _analyzer(profile: Profile, pack: Path) -> FaceAnalyzer:
    from face.analyzer import FaceAnalyzer

    return FaceAnalyzer(pack, det_size=profile.det_size)


def _load_pipeline(profile: Profile, parts: dict[str, Path], how: Plan) -> Any:
    hush_libraries()
    from diffusers import AutoencoderKL

    from ip_adapter.identity_net import IdentityNet
    from pipeline_instantid import StableDiffusionXLInstantIDPipeline

    if profile.own_identity_net is not None:
        check_identity_net(parts["identity_net"], parts["base"], parts.get("vae"))
    common: dict[str, Any] = {"dtype": how.dtype, "local_files_only": True, "use_safetensors": True}
    components: dict[str, Any] = {}
    try:
        if "vae" in parts:
            vae = {**common, "dtype": how.vae_dtype}
            components["vae"] = AutoencoderKL.from_pretrained(parts["vae"], **vae)
        components["controlnet"] = IdentityNet.from_pretrained(parts["identity_net"], **common)
        if profile.checkpoint is None:
            pipeline = StableDiffusionXLInstantIDPipeline.from_pretrained(
                parts["base"], variant=profile.base.weight.variant, add_watermarker=False, **components, **common
            )
        else:
            pipeline = open_checkpoint(profile.checkpoint, parts["base"], how.dtype, **components)
        pipeline.load_ip_adapter_instantid(parts["adapter"], scale=profile.adapter_scale)
    except (OSError, KeyError) as error:
        raise WeightsCorrupt(
            f"The weights of {profile.name} cannot be read.", field=profile.name, cure="Run: python cli.py doctor"
        ) from error
    pipeline.vae.to(dtype=how.vae_dtype)
    return placed(pipeline, how)


def hush_libraries() -> None:
    """Errors only: diffusers warns of long prompts by printing them, and prompts may name people."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    from diffusers.utils import logging as diffusers_logging

    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()


def placed(pipeline: Any, how: Plan) -> Any:
    """The pipeline on its device, with what a plan says of memory."""
    if how.device == "cpu":
        import torch

        # A processor's convolutions read the channels of a pixel together, which is faster.
        pipeline.vae.to(memory_format=torch.channels_last)
    if how.tiling:
        pipeline.vae.enable_tiling()
    if how.offload == "model":
        pipeline.enable_model_cpu_offload(device=how.device)
    elif how.offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=how.device)
    else:
        pipeline.to(how.device)
    return pipeline
