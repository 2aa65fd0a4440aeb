"""A folder of face models, opened by insightface, with every way it can be unusable told in words."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import onnx
from insightface.app import FaceAnalysis
from insightface.model_zoo import get_model

from errors import InstantIDError, WeightsCorrupt, WeightsMissing

CURE = "Fetch the face pack again: python cli.py download."
DETECTOR_CURE = (
    "Put the detector's .onnx file of another pack beside it, or fetch the pack again: python cli.py download."
)


class Pack(NamedTuple):
    """insightface's SCRFD detector and its ArcFaceONNX recogniser, of which no types are published."""

    detector: Any
    recogniser: Any


def find_pack(folder: Path) -> Path:
    """The absolute folder that holds the models: `folder` itself, or the one sub-folder that does.

    antelopev2.zip unpacks into antelopev2/antelopev2; a chain of single sub-folders is followed down to the models.
    Raises WeightsMissing.
    """
    folder = folder.expanduser().absolute()
    if not folder.is_dir():
        raise WeightsMissing(f"There is no face pack at {folder}.", field=str(folder), cure=CURE)
    if _holds_models(folder):
        return folder
    inner = [path for path in sorted(folder.rglob("*")) if path.is_dir() and _holds_models(path)]
    inner = [path for path in inner if "__MACOSX" not in path.parts]
    if len(inner) == 1:
        return inner[0]
    found = "several folders with models" if inner else "no .onnx files"
    raise WeightsMissing(f"The face pack at {folder} has {found}.", field=str(folder), cure=CURE)


def open_pack(
    folder: Path,
    providers: Sequence[str],
    session: Callable[[Path], Any] | None = None,
    *,
    detector_of: Path | None = None,
) -> Pack:
    """Opens detector and recogniser of the pack in `folder` with onnxruntime's `providers`.

    session: given a model's file, what runs it in the place of onnxruntime's InferenceSession.
    detector_of: the pack that lends its detector where `folder` has none, as the folder of a recogniser alone.

    Raises WeightsMissing when the folder or one of the two models is not there, WeightsCorrupt when a file is damaged
    or is not what it should be.
    """
    folder = find_pack(folder)
    try:
        detector, recogniser = _open_models(folder, providers, detector_of)
    except InstantIDError:
        raise
    except Exception as error:  # onnxruntime, protobuf and insightface each have their own kinds
        raise _explained(folder, error) from error
    if not getattr(detector, "use_kps", False):
        raise WeightsCorrupt(f"The detector in {folder} gives no keypoints.", field=str(folder), cure=CURE)
    if not isinstance(recogniser.input_size[0], int) or len(recogniser.output_shape) != 2:
        raise WeightsCorrupt(f"The recogniser in {folder} gives no embedding.", field=str(folder), cure=CURE)
    if session is not None:
        detector, recogniser = (
            type(model)(model_file=model.model_file, session=session(Path(model.model_file)), **options)
            for model, options in ((detector, {"static_shape_sessions": False}), (recogniser, {}))
        )
    return Pack(detector, recogniser)


def open_recogniser(folder: Path, providers: Sequence[str]) -> Any:
    """insightface's ArcFaceONNX of the pack in `folder` alone. Raises WeightsMissing when it has none."""
    folder = find_pack(folder)
    for file in sorted(folder.glob("*.onnx")):
        model: Any = get_model(str(file), providers=list(providers))
        if model is not None and model.taskname == "recognition":
            return model
    raise _task_missing(folder, "recognition")


def _open_models(folder: Path, providers: Sequence[str], detector_of: Path | None) -> Pack:
    try:
        analysis = FaceAnalysis(
            name=str(folder), allowed_modules=["detection", "recognition"], providers=list(providers)
        )
    except AssertionError:  # insightface wants a detector
        if detector_of is None:
            raise
        return Pack(open_pack(detector_of, providers).detector, open_recogniser(folder, providers))
    if "recognition" not in analysis.models:
        raise _task_missing(folder, "recognition")
    return Pack(analysis.models["detection"], analysis.models["recognition"])


def _holds_models(folder: Path) -> bool:
    return any(path.suffix == ".onnx" and not path.name.startswith(".") for path in folder.iterdir())


def _explained(folder: Path, error: Exception) -> WeightsMissing | WeightsCorrupt:
    for path in sorted(folder.glob("*.onnx")):
        try:
            onnx.checker.check_model(onnx.load(str(path), load_external_data=False))
        except Exception:  # whatever is wrong with this file, it is the one to name
            message = f"The face model {path.name} in {folder} is damaged or incomplete."
            return WeightsCorrupt(message, field=path.name, cure=CURE)
    if isinstance(error, AssertionError) and not error.args:
        return _task_missing(folder, "detection")
    message = f"The face pack at {folder} cannot be opened ({type(error).__name__})."
    return WeightsCorrupt(message, field=str(folder), cure=CURE)


def _task_missing(folder: Path, task: str) -> WeightsMissing:
    message = f"The face pack at {folder} has no model for {task}."
    return WeightsMissing(message, field=str(folder), cure=DETECTOR_CURE if task == "detection" else CURE)
