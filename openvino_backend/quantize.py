"""Exported networks with fewer bits, by NNCF.

int8    weights of 8 bits, arithmetic as before; the face models compute at 8 bits too.
hybrid  as int8, and UNet and IdentityNet compute their convolutions at 8 bits, calibrated on pictures being made.
int4    as int8, and most matrices of UNet and ControlNets have weights of 4 bits in groups.

The first convolution over a ControlNet's condition is left as it was in all of them: what it reads are thin lines.
"""

from __future__ import annotations

import gc
import io
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from errors import RequestError, WeightsMissing
from openvino_backend.export import CONFIG, Tell, save
from openvino_backend.installed import core, require
from openvino_backend.manifest import Manifest, entry_of

QUANTISED = ("int8", "hybrid", "int4")
GROUPS = (128, 64, 32, 16)
RATIO = 0.8
SUBSET = 64

Inputs = Sequence[Mapping[str, np.ndarray]]


def quantize(
    source: Path,
    folder: Path,
    precision: str,
    samples: Mapping[str, Inputs],
    *,
    group_size: int | None = None,
    ratio: float = RATIO,
    calibration: str = "",
    tell: Tell = lambda what, done, total: None,
) -> Manifest:
    """Compress an export.

    Args:
        source: folder of the export at fp16 or fp32. folder: of the result.
        precision: one of QUANTISED.
        samples: network -> inputs it was seen to get; needed for what `calibrated` names.
        group_size: of INT4, weights that share a scale; None for the largest that fits, -1 for a whole row.
        ratio: of INT4, share of the matrices that get 4 bits; the most sensitive keep 8.
        calibration: what the samples were made of; other samples make what they calibrate anew.

    Raises:
        RequestError: no such precision, a group size that does not fit, a ratio out of range.
        WeightsMissing: there is no export. InstantIDError: NNCF is not installed.
    """
    exported, size = check(source, precision, group_size, ratio)
    names = list(exported.networks)
    stale = outdated(
        source, folder, precision, tuple(samples), group_size=group_size, ratio=ratio, calibration=calibration
    )
    folder.mkdir(parents=True, exist_ok=True)
    before = Manifest.read(folder)
    kept = {} if before is None else {name: one for name, one in before.networks.items() if name not in stale}
    made = Manifest(exported.profile, precision, exported.loras, kept)
    (folder / CONFIG).write_bytes((source / CONFIG).read_bytes())
    for number, name in enumerate(names):
        tell(name, number, len(names))
        if name not in stale:
            continue
        recipe = stale[name]["recipe"]
        compress_file(exported.check(source, name), folder / name, recipe, samples.get(name, ()), size, ratio)
        made = made.with_entry(name, entry_of(folder, name, exported.networks[name].sources, stale[name]))
        made.write(folder)
        gc.collect()
    made = Manifest(made.profile, precision, made.loras, {name: made.networks[name] for name in names})
    made.write(folder)
    tell("done", len(names), len(names))
    return made


def outdated(
    source: Path,
    folder: Path,
    precision: str,
    sampled: Collection[str],
    *,
    group_size: int | None = None,
    ratio: float = RATIO,
    calibration: str = "",
) -> dict[str, dict[str, Any]]:
    """Networks that `quantize` has to make, each with how: found out before anything is calibrated.

    sampled: networks that there are, or will be, samples of. The rest, and the errors, are those of `quantize`.
    """
    exported, size = check(source, precision, group_size, ratio)
    there = Manifest.read(folder)
    found = {}
    for name, entry in exported.networks.items():
        recipe = _recipe(name, precision, name in sampled)
        how: dict[str, Any] = {"recipe": recipe, "from": [entry.xml, entry.bin], "nncf": metadata.version("nncf")}
        how |= {"graphs": entry.made["graphs"]} if "graphs" in entry.made else {}
        if recipe == "int4":
            how |= {"group_size": size, "ratio": ratio}
        if recipe in ("hybrid", "full"):
            how |= {"calibration": calibration}
        files = [Path(one.path) for one in entry.sources]
        if there is None or not all(file.is_file() for file in files) or not there.fresh(folder, name, files, how):
            found[name] = how
    return found


def check(source: Path, precision: str, group_size: int | None, ratio: float) -> tuple[Manifest, int]:
    """Whether a quantisation can be done, found out before anything is calibrated: the export, and the group size.

    Arguments and errors are those of `quantize`.
    """
    require()
    require("nncf")
    if precision not in QUANTISED:
        raise RequestError(
            f"There is no quantisation {precision!r}.",
            field="precision",
            cure=f"Choose one of: {', '.join(QUANTISED)}.",
        )
    if not 0 < ratio <= 1:
        raise RequestError("The ratio is out of range.", field="ratio", cure="Give a number above 0 up to 1.")
    exported = Manifest.read(source)
    if exported is None:
        raise WeightsMissing(
            f"There is no export at {source}.", field="precision", cure="Run: python cli.py openvino export"
        )
    return exported, _fitting(source, exported, group_size) if precision == "int4" else -1


def calibrated(precision: str) -> tuple[str, ...]:
    """Networks whose recipe wants samples."""
    faces = ("face_detector", "face_recogniser")
    return ("unet", "identity_net", *faces) if precision == "hybrid" else faces


def _recipe(name: str, precision: str, sampled: bool) -> str:
    """ "weights": INT8 weights; "int4"; "hybrid"; "full": INT8 weights and arithmetic."""
    if name.startswith("face_"):
        return "full" if sampled else "weights"
    if precision == "int4" and (name in ("unet", "identity_net") or name.startswith("control_")):
        return "int4"
    if precision == "hybrid" and name in ("unet", "identity_net"):
        if not sampled:
            raise RequestError(f"The hybrid recipe has no samples of {name}.", field="precision", cure="Calibrate it.")
        return "hybrid"
    return "weights"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without NNCF's tables and bars on the terminal; the caller tells how far the work is."""
    import nncf

    nncf.set_log_level(logging.ERROR)
    with redirect_stdout(io.StringIO()):
        yield


@_quiet()
def compress_file(
    file: Path, stem: Path, recipe: str, samples: Inputs = (), group_size: int = -1, ratio: float = RATIO
) -> None:
    """One network. file: its .xml; stem: of the files to write; recipe: "weights", "int4", "hybrid" or "full"."""
    import nncf

    model = core().read_model(file)
    spared = condition_convolutions(model)
    left = nncf.IgnoredScope(names=spared)
    mode = nncf.CompressWeightsMode
    if recipe == "full":
        model = nncf.quantize(model, _dataset(samples), subset_size=len(samples))
    elif recipe == "int4":
        model = nncf.compress_weights(model, mode=mode.INT4_SYM, group_size=group_size, ratio=ratio, ignored_scope=left)
    elif recipe == "hybrid":
        every = {op.get_type_name() for op in model.get_ops()}
        others = sorted(every - {"Convolution", "Constant", "Parameter", "Result"})
        weighty = nncf.IgnoredScope(names=spared, types=["Convolution"], validate=False)
        model = nncf.compress_weights(model, mode=mode.INT8_ASYM, ignored_scope=weighty)
        smooth = nncf.AdvancedSmoothQuantParameters(matmul=-1, convolution=-1)
        model = nncf.quantize(
            model,
            _dataset(samples),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(samples),
            ignored_scope=nncf.IgnoredScope(names=spared, types=others, validate=False),
            advanced_parameters=nncf.AdvancedQuantizationParameters(smooth_quant_alphas=smooth),
        )
    else:
        model = nncf.compress_weights(model, mode=mode.INT8_ASYM, ignored_scope=left)
    save(model, stem, half=True)


def _dataset(samples: Inputs) -> Any:
    import nncf

    return nncf.Dataset(range(len(samples)), lambda number: dict(samples[number]))


def condition_convolutions(model: Any) -> list[str]:
    """Names of the convolutions that read the input `condition`, of a ControlNet; none of other networks."""
    found = []
    for port in model.inputs:
        if "condition" in port.get_names():
            found += [
                target.get_node().get_friendly_name()
                for target in port.get_target_inputs()
                if target.get_node().get_type_name() == "Convolution"
            ]
    return found


def _fitting(source: Path, exported: Manifest, wanted: int | None) -> int:
    """The group size, after a look at the width of every matrix that would get 4 bits.

    Raises RequestError naming the widths that it does not divide.
    """

    widths: set[int] = set()
    for name in exported.networks:
        if _recipe(name, "int4", False) == "int4":
            widths |= matrix_widths(core().read_model(source / f"{name}.xml"))
    fits = [size for size in GROUPS if not any(width % size for width in widths)]
    if wanted is None:
        return fits[0] if fits else -1
    if wanted != -1 and (wanted < 2 or any(width % wanted for width in widths)):
        misfit = sorted(width for width in widths if wanted < 2 or width % wanted)
        told = ", ".join(str(width) for width in misfit[:6])
        raise RequestError(
            f"Groups of {wanted} weights do not divide rows of {told}, which these networks have.",
            field="group-size",
            cure=f"Choose one of: {', '.join(str(size) for size in (*fits, -1))} (-1 is a whole row).",
        )
    return wanted


def matrix_widths(model: Any) -> set[int]:
    """Lengths of the rows, over which a product sums, of all constant matrices of a network."""
    widths = set()
    for op in model.get_ops():
        if op.get_type_name() != "MatMul":
            continue
        weight = op.input_value(1).get_node()
        if weight.get_type_name() == "Convert":
            weight = weight.input_value(0).get_node()
        if weight.get_type_name() == "Constant":
            shape = weight.get_output_shape(0)
            widths.add(int(shape[-1] if op.get_attributes()["transpose_b"] else shape[-2]))
    return widths
