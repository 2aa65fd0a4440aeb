"""A profile on OpenVINO: what is exported of it, from which files, and as the parts of an engine."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import RequestError, WeightsError, WeightsMissing
from generation.checkpoints import noise_schedule
from generation.lora import check_fit
from generation.lora_choice import Lora, settled
from generation.settings import Settings
from generation.sources import Sources as Places
from openvino_backend import installed
from openvino_backend.manifest import FILE as MANIFEST
from openvino_backend.manifest import Manifest
from weights.places import find
from weights.published import Part
from weights.registry import PROFILES, Profile
from weights.store import Store

if TYPE_CHECKING:
    from generation.request import GenerationRequest
    from openvino_backend.calibration import Samples
    from openvino_backend.runtime import Export
    from openvino_backend.sources import Sources

PRECISIONS = ("fp16", "int8", "hybrid", "int4", "fp32")
"""In the order in which "auto" takes what is there."""


@dataclass(frozen=True, eq=False)
class Compiled:
    """What an engine needs.

    Attributes:
        load_net: folder of a further ControlNet -> the compiled one.
        export: the networks behind it.
        provenance: what the settings of results say of it; where and how it ran, `export.running` tells.
    """

    pipeline: Any
    analyzer: Any
    load_net: Callable[[Path], Any]
    export: Export
    provenance: dict[str, Any]


def exports_of(profile: Profile, settings: Settings) -> Path:
    """Folder with a folder of networks for each precision; one of its own for each base and decoder."""
    if settings.exports is not None:
        return settings.exports
    return Store(settings.models_dir).models_dir / "openvino" / _folder_name(profile)


def _folder_name(profile: Profile) -> str:
    """The profile's name, and with another base or decoder a digest of which: bases of one name are not one export."""
    published = PROFILES.get(profile.name)
    parts = [profile.checkpoint, profile.base, profile.vae]
    if published is not None and parts == [published.checkpoint, published.base, published.vae]:
        return profile.name
    told = [part if isinstance(part, Path) else part and (part.weight.name, part.path) for part in parts]
    return f"{profile.name}-{sha256(repr([str(one) for one in told]).encode()).hexdigest()[:8]}"


def command(verb: str, profile: Profile, settings: Settings, precision: str | None = None) -> str:
    """What to type for these weights. verb: "export" or "quantize"."""
    name = profile.name if profile.name in PROFILES else settings.profile
    options = {"profile": None if name == "auto" else name, "precision": precision}
    options |= {"base": settings.base, "vae": settings.vae, "out": settings.exports}
    told = [f"--{option} {shlex.quote(str(value))}" for option, value in options.items() if value is not None]
    return " ".join(("python cli.py openvino", verb, *told))


def available(profile: Profile, settings: Settings) -> list[str]:
    """Precisions that are exported; none without OpenVINO."""
    if not installed.is_installed():
        return []
    folder = exports_of(profile, settings)
    return [precision for precision in PRECISIONS if _has_networks(folder / precision)]


def _has_networks(folder: Path) -> bool:
    try:
        manifest = Manifest.read(folder)
    except WeightsError:
        return False
    return manifest is not None and not manifest.missing()


def pick_precision(profile: Profile, settings: Settings) -> str:
    """The precision to run. Raises WeightsMissing when it is not exported, RequestError when there is none such."""
    installed.require()
    if settings.precision != "auto" and settings.precision not in PRECISIONS:
        raise RequestError(
            f"There is no precision {settings.precision!r}.",
            field="precision",
            cure=f"Choose one of: auto, {', '.join(PRECISIONS)}.",
        )
    there = available(profile, settings)
    chosen = next(iter(there), None) if settings.precision == "auto" else settings.precision
    if chosen is None or chosen not in there:
        what = "" if chosen is None else f" at {chosen}"
        verb = "export" if chosen in (None, "fp16", "fp32") else "quantize"
        stopped = (exports_of(profile, settings) / (chosen or "fp16") / MANIFEST).is_file()
        raise WeightsMissing(
            f"{profile.title} is not{' wholly' if stopped else ''} exported to OpenVINO{what}.",
            field="precision",
            cure=f"Run: {command(verb, profile, settings, chosen)}",
        )
    return chosen


def sources_of(
    profile: Profile, store: Store, controls: Sequence[str] = (), loras: Sequence[tuple[str, float]] = ()
) -> Sources:
    """The files behind a profile. controls: kinds of further ControlNets; loras: (name, weight) to be fused.

    Raises WeightsMissing, WeightsCorrupt; RequestError for a control that the profile has not, or no such LoRA.
    """
    from openvino_backend.sources import FusedLora, Sources

    nets = dict(profile.controls)
    if unknown := [kind for kind in controls if kind not in nets]:
        raise RequestError(
            f"{profile.title} has no ControlNet for {unknown[0]}.",
            field="control",
            cure=f"Choose of: {', '.join(nets)}." if nets else "Leave it out.",
        )
    places, wanted = Places(store), settled([Lora(*one) for one in loras], profile)
    return Sources(
        base=store.path(profile.base),
        identity_net=store.path(profile.identity_net),
        adapter=store.path(profile.adapter),
        face_pack=store.path(profile.face_pack),
        vae=None if profile.vae is None else store.path(profile.vae),
        variant=profile.base.weight.variant,
        checkpoint=profile.checkpoint,
        controls={kind: places.weight(nets[kind].weight, "control") / nets[kind].path for kind in controls},
        loras=tuple(FusedLora(one.path, one.weight, places.lora(one.path)) for one in wanted),
    )


def check_sources(profile: Profile, store: Store, export: Export) -> Sources:
    """The files behind an export, further ControlNets aside.

    Raises what `sources_of` raises, and WeightsCorrupt when they have changed since.
    """
    sources = sources_of(profile, store, loras=export.manifest.loras)
    for name in export.manifest.networks:
        if not name.startswith("control_"):
            export.check_sources(name, sources.files(name))
    return sources


def check_loras(sources: Sources) -> tuple[str, ...]:
    """Notes on what of the LoRAs belongs to no layer of these networks, of which nothing but configurations is read.

    Raises RequestError for a LoRA that does not fit, lacks halves, or is a DoRA.
    """
    if not sources.loras:
        return ()
    import torch
    from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    base = sources.base
    config: Any = UNet2DConditionModel.load_config(base / "unet", local_files_only=True)
    with torch.device("meta"):
        parts: dict[str, Any] = {"unet": UNet2DConditionModel.from_config(config)}
        parts |= {
            name: kind(CLIPTextConfig.from_pretrained(base / name, local_files_only=True))
            for name, kind in (("text_encoder", CLIPTextModel), ("text_encoder_2", CLIPTextModelWithProjection))
        }
    parts |= dict.fromkeys(("vae", "tokenizer", "tokenizer_2", "scheduler"))
    pipeline = StableDiffusionXLPipeline(**parts, add_watermarker=False)
    return check_fit(pipeline, [lora.file for lora in sources.loras])


def controls_here(profile: Profile, store: Store) -> list[str]:
    """Kinds of the further ControlNets whose weights are on this machine."""
    return [
        kind
        for kind, part in profile.controls
        if store.status(part.weight).present and (store.path(part) / "config.json").is_file()
    ]


def load(profile: Profile, store: Store, settings: Settings) -> Compiled:
    """The exported networks as pipeline and analyzer.

    Raises InstantIDError without OpenVINO, WeightsMissing without an export, WeightsCorrupt when it is damaged or was
    made of other weights, RequestError for a device that is not here.
    """
    from face.analyzer import FaceAnalyzer
    from openvino_backend.compiled import Device
    from openvino_backend.faces import session_of
    from openvino_backend.runtime import Export
    from openvino_backend.sources import Sources

    precision = pick_precision(profile, settings)
    folder = exports_of(profile, settings) / precision
    device = installed.pick_device(settings.device)
    if device != "CPU" and (settings.streams > 1 or settings.activation_group is not None):
        field = "streams" if settings.streams > 1 else "activation_group"
        raise RequestError(
            f"The setting {field} is for OpenVINO's CPU, not for {device}.",
            field=field,
            cure=f"Leave INSTANTID_{field.upper()} out, or choose the device CPU.",
        )
    dtype = settings.dtype
    if dtype == "auto" and (not profile.half_precision or precision == "fp32"):
        dtype = "float32"
    # Compiling takes seconds on a processor and minutes elsewhere.
    cache = None if device == "CPU" else folder / "cache"
    export = Export(folder, Device(device, dtype, cache, settings.streams, settings.activation_group))
    sources = check_sources(profile, store, export)
    pipeline = _pipeline(profile, export, sources.base)
    if profile.checkpoint is not None:
        pipeline.scheduler.register_to_config(**noise_schedule(profile.checkpoint))

    def load_net(wanted: Path) -> Any:
        nets = {_lies(part, store): kind for kind, part in profile.controls}
        export.check_sources(f"control_{nets[wanted]}", Sources.of_control(wanted))
        return export.control(nets[wanted])

    def session(file: Path) -> Any:
        return session_of(export, file)

    return Compiled(
        pipeline,
        FaceAnalyzer(sources.face_pack, det_size=profile.det_size, session=session),
        load_net,
        export,
        {
            "backend": "openvino",
            "precision": precision,
            "loras": list(export.manifest.loras),
        },
    )


def _lies(part: Part, store: Store) -> Path:
    """Where a part of a weight is looked for, whether it is there or not."""
    return (part.weight.folder or find(part.weight, store.models_dir)) / part.path


def _pipeline(profile: Profile, export: Export, base: Path) -> Any:
    import diffusers
    from transformers import AutoTokenizer

    from pipeline_instantid import StableDiffusionXLInstantIDPipeline

    config: Any = diffusers.DiffusionPipeline.load_config(base, local_files_only=True)
    scheduler = getattr(diffusers, config["scheduler"][1]).from_pretrained(
        base, subfolder="scheduler", local_files_only=True
    )
    pipeline = StableDiffusionXLInstantIDPipeline(
        **export.components(),
        tokenizer=AutoTokenizer.from_pretrained(base / "tokenizer", local_files_only=True),
        tokenizer_2=AutoTokenizer.from_pretrained(base / "tokenizer_2", local_files_only=True),
        scheduler=scheduler,
        force_zeros_for_empty_prompt=config.get("force_zeros_for_empty_prompt", True),
        add_watermarker=False,
    )
    pipeline.unet.fused_loras = export.manifest.loras
    pipeline.set_ip_adapter_scale(profile.adapter_scale)
    return pipeline


def calibrate(
    profile: Profile,
    store: Store,
    settings: Settings,
    requests: Sequence[GenerationRequest],
    networks: Collection[str],
    folder: Path,
    subset: int,
    tell: Callable[[str, int, int], None],
) -> dict[str, Samples]:
    """Inputs that the exported networks get while these pictures are made.

    Args:
        settings: name the export to run.
        networks: names of those whose inputs are wanted; without UNet and IdentityNet the faces alone are looked for.
        folder: where the samples are written. subset: samples kept of each network.

    Raises what `load` and `Engine.generate` raise.
    """
    from generation.engine import Engine
    from openvino_backend.calibration import Recorder

    parts = load(profile, store, settings)
    engine = Engine(parts.pipeline, parts.analyzer, profile, sources=Places(store))
    recorder = Recorder(folder, subset)
    recorder.attach({name: network for name, network in parts.export.opened.items() if name in networks})
    for number, request in enumerate(requests):
        tell("calibrating", number, len(requests))
        if not {"unet", "identity_net"} & set(networks):
            for photo in request.photos:
                parts.analyzer.find(photo)
            continue
        for _ in engine.generate(request):
            pass
    return recorder.samples()
