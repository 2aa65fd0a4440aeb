"""From weights to OpenVINO's format: one network at a time, resumable, and never of weights that have changed since."""

from __future__ import annotations

import gc
import hashlib
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from errors import RequestError
from openvino_backend import attention, graphs, sources
from openvino_backend.graphs import Graph
from openvino_backend.installed import require
from openvino_backend.manifest import EXPORTED, NETWORKS, Manifest, Source, entry_of
from openvino_backend.sources import HALF, TEXT, Sources

CONFIG = "configs.json"

Tell = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


def networks_of(wanted: Sources) -> list[str]:
    """Names of the networks of an export, in the order of making."""
    return [*NETWORKS, *(f"control_{kind}" for kind in wanted.controls or {})]


def export(
    wanted: Sources,
    folder: Path,
    profile: str,
    precision: str = "fp16",
    *,
    tell: Tell = lambda what, done, total: None,
) -> Manifest:
    """Convert every network that is not there yet, or was made of other files.

    Args:
        folder: of this precision; made when it is not there.
        precision: of the stored weights, one of EXPORTED.

    Raises:
        RequestError: no such precision. InstantIDError: OpenVINO is not installed.
        WeightsMissing, WeightsCorrupt: of the sources.
    """
    require()
    if precision not in EXPORTED:
        raise RequestError(
            f"Weights are not exported at {precision!r}.",
            field="precision",
            cure=f"Choose one of: {', '.join(EXPORTED)}; quantise afterwards for less.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    loras = tuple((lora.name, lora.weight) for lora in wanted.loras)
    known = Manifest.read(folder) or Manifest(profile, precision, loras)
    names = networks_of(wanted)
    hashed: dict[Path, Source] = {}
    stale = [name for name in names if not known.fresh(folder, name, wanted.files(name), _made(precision, loras, name))]
    # None of them is in the manifest before it is made anew: what is stopped half way is incomplete, and never mixed.
    kept = {name: entry for name, entry in known.networks.items() if name not in stale}
    known = Manifest(profile, precision, loras, kept)
    for number, name in enumerate(names):
        tell(name, number, len(names))
        if name not in stale:
            continue
        files, made = wanted.files(name), _made(precision, loras, name)
        for file in files:
            hashed.setdefault(file, Source.of(file))
        configuration = _convert(wanted, name, folder, precision)
        _keep_config(folder, name, configuration)
        known = known.with_entry(name, entry_of(folder, name, [hashed[file] for file in files], made))
        known.write(folder)
        gc.collect()
    # Further ControlNets of an earlier export stay beside those that were asked for now.
    others = [name for name in known.networks if name.startswith("control_") and name not in names]
    known = Manifest(profile, precision, loras, {name: known.networks[name] for name in (*names, *others)})
    known.write(folder)
    tell("done", len(names), len(names))
    return known


def _made(precision: str, loras: Sequence[tuple[str, float]], name: str) -> dict[str, Any]:
    fused = [list(lora) for lora in loras] if name in ("unet", *TEXT) else []
    versions = {package: metadata.version(package) for package in ("openvino", "diffusers")}
    return {"precision": precision, "loras": fused, "versions": versions, "graphs": graphs_now()}


@cache
def graphs_now() -> str:
    """Of the code that decides what a graph holds, so that one of older code is made anew."""
    code = b"".join(Path(str(module.__file__)).read_bytes() for module in (graphs, attention))
    return hashlib.sha256(code).hexdigest()[:12]


def _convert(wanted: Sources, name: str, folder: Path, precision: str) -> dict[str, Any]:
    """Writes one network and returns what the runtime has to know of it."""
    if name.startswith("face_"):
        return _convert_face(wanted, name, folder, precision)
    if name in TEXT:
        encoder = sources.load_text_encoder(wanted, name)
        configuration = encoder.config.to_dict()
        graph = graphs.text_graph(encoder)
    elif name == "resampler":
        resampler = sources.load_resampler(wanted)
        configuration = {
            "embed_dims": resampler.proj_in.in_features,
            "output_dims": resampler.proj_out.out_features,
            "hidden_dims": resampler.proj_in.out_features,
            "num_queries": resampler.latents.shape[1],
        }
        graph = graphs.resampler_graph(resampler)
    elif name == "unet":
        unet = sources.load_unet(wanted)
        configuration = dict(unet.config)
        graph = graphs.unet_graph(unet)
    elif name.startswith("vae_"):
        vae = sources.load_vae(wanted)
        configuration = {**vae.config, "_class_name": type(vae).__name__}
        graph = (graphs.decoder_graph if name == "vae_decoder" else graphs.encoder_graph)(vae)
    else:
        place = wanted.identity_net if name == "identity_net" else (wanted.controls or {})[name[len("control_") :]]
        net = sources.load_controlnet(place)
        configuration = dict(net.config)
        graph = graphs.controlnet_graph(net)
    write(graph, folder / name, precision)
    return configuration


def write(graph: Graph, stem: Path, precision: str) -> None:
    """Trace, convert and save a graph as `<stem>.xml` and `<stem>.bin`."""
    import openvino

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer's remarks on branches, which the odd examples have decided
        example = tuple(graph.inputs.values())
        model = openvino.convert_model(graph.network, example_input=example, extension=_half_linears(graph.network))
    for port, name in zip(model.inputs, graph.inputs, strict=True):
        port.get_tensor().set_names({name})
    for port, name in zip(model.outputs, graph.outputs, strict=True):
        port.get_tensor().set_names({name})
    save(model, stem, half=precision == "fp16")


def save(model: Any, stem: Path, *, half: bool) -> None:
    """Both files under unfinished names first; a run that is killed leaves none that could be taken for whole."""
    import openvino

    unfinished = stem.with_name(f"unfinished_{stem.name}.xml")
    openvino.save_model(model, unfinished, compress_to_fp16=half)
    for suffix in (".bin", ".xml"):
        unfinished.with_suffix(suffix).replace(stem.with_suffix(suffix))


def _half_linears(network: torch.nn.Module) -> list[Any] | None:
    """Extensions by which Linear weights of 16 bits go into the graph as they are, while it computes at 32 bits, which
    halves the memory of a conversion; None where all weights have 32. All else of the network becomes float32."""
    from openvino.frontend.pytorch import ModuleExtension

    if not any(parameter.dtype in HALF for parameter in network.parameters()):
        return None
    for module in network.modules():
        if type(module) is not torch.nn.Linear:
            for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
                tensor.data = tensor.data.float() if tensor.dtype in HALF else tensor.data

    def shape(layer: Any, values: torch.Tensor, *_: Any) -> torch.Tensor:
        return values.new_full((*values.shape[:-1], layer.out_features), 0.5, dtype=torch.float32)

    linear = ModuleExtension(
        torch.nn.Linear,
        "ov_ext::linear",
        convert=lambda layer, operation, values, *_: operation(values, layer.weight, layer.bias),
        evaluate=shape,
        condition=lambda layer: layer.weight.dtype in HALF,
    )
    return [linear]


def _convert_face(wanted: Sources, name: str, folder: Path, precision: str) -> dict[str, Any]:
    import openvino

    from face.pack import open_pack

    pack = open_pack(wanted.face_pack, ("CPUExecutionProvider",))
    model = pack.detector if name == "face_detector" else pack.recogniser
    save(openvino.convert_model(model.model_file), folder / name, half=precision == "fp16")
    return {"file": Path(model.model_file).name}


def _keep_config(folder: Path, name: str, configuration: Mapping[str, Any]) -> None:
    file = folder / CONFIG
    everything = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    everything[name] = _plain(configuration)
    unfinished = file.with_suffix(".part")
    unfinished.write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    unfinished.replace(file)


def read_configs(folder: Path) -> dict[str, dict[str, Any]]:
    """Network -> its configuration."""
    return json.loads((folder / CONFIG).read_text(encoding="utf-8"))


def _plain(value: Any) -> Any:
    """The same as JSON holds it."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
