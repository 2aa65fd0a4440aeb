"""Faces in a picture: detected, and looked for again in other ways when there are none at first sight."""

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from insightface.utils.face_align import arcface_dst
from PIL import Image

from errors import NoFaceFound, RequestError
from face.attributes import Attributes, open_attributes
from face.face import Face
from face.pack import find_pack, open_pack

DETECTOR_STRIDE = 32
SMALLEST_DETECTION = 64
DETECTION_THRESHOLD = 0.5
# Detectors are trained on faces with something around them; half a picture of white on each side gives it.
BORDER = 0.5
AS_LARGE = 0.3  # of a face's area


class FaceAnalyzer:
    """insightface's detector and recogniser on any model pack (antelopev2, buffalo_l, the miniature's).

    Args:
        pack: folder of the pack; a pack nested in one more folder is found.
        det_size: side in pixels to which pictures are brought for detection; a multiple of 32.
        providers: onnxruntime execution providers, in order of preference.
        session: see `face.pack.open_pack`.
        detector_of: the pack that lends its detector where `pack` has none.

    Attributes:
        folder: the pack, absolute.

    Several threads may share one analyzer; a lock lets them in one after the other.
    Raises WeightsMissing or WeightsCorrupt when the pack is not usable.
    """

    def __init__(
        self,
        pack: Path,
        *,
        det_size: int = 640,
        providers: Sequence[str] = ("CPUExecutionProvider",),
        session: Callable[[Path], Any] | None = None,
        detector_of: Path | None = None,
    ) -> None:
        if det_size < SMALLEST_DETECTION or det_size % DETECTOR_STRIDE:
            raise RequestError(
                f"The detection size must be a multiple of 32 from 64 up, not {det_size}.",
                field="det_size",
                cure="640 suits photographs.",
            )
        self.folder = find_pack(Path(pack))
        self.detector, self.recogniser = open_pack(self.folder, providers, session, detector_of=detector_of)
        self._attributes = open_attributes(self.folder, providers)
        # A detector exported for one size keeps to it.
        fixed = self.detector.static_input_size
        self.det_size = det_size if fixed is None else max(fixed)
        smaller = max(SMALLEST_DETECTION, self.det_size // 2 // DETECTOR_STRIDE * DETECTOR_STRIDE)
        sizes = (smaller, self.det_size * 2) if fixed is None else ()
        self.other_sizes = tuple(size for size in sizes if size != self.det_size)
        self._unlock()
        # ZeroGPU forks the app for each run: a lock that another thread holds just then would stay shut in the child.
        unlock = weakref.WeakMethod(self._unlock)
        os.register_at_fork(after_in_child=lambda: (alive := unlock()) and alive())

    def _unlock(self) -> None:
        self._lock = threading.Lock()

    def faces(self, image: Image.Image, *, field: str = "photo") -> list[Face]:
        """All faces of a picture (RGB, upright), the largest first; NoFaceFound when there are none."""
        found = self.find(image)
        if not found:
            raise self.no_face(field)
        return found

    def no_face(self, field: str) -> NoFaceFound:
        """The error that says what was tried on a picture without faces."""
        tried = ["as it is", "with a white border"]
        tried += [f"at the detection sizes {' and '.join(map(str, self.other_sizes))}"] if self.other_sizes else []
        return NoFaceFound(
            f"No face was found in the picture; tried {', '.join(tried)} and turned by 90, 180 and 270 degrees.",
            field=field,
            cure="Take a sharp, well-lit picture in which the whole face can be seen.",
        )

    def find(self, image: Image.Image) -> list[Face]:
        """As `faces`, but an empty list when there are none."""
        rgb = np.asarray(image.convert("RGB"))
        for sight in self._sights(rgb):
            with self._lock:
                boxes, keypoints = self.detector.detect(sight.bgr, input_size=(sight.det_size, sight.det_size))
                faces = [
                    self._face(rgb, sight.back(box[:4].reshape(2, 2)), sight.back(points), float(box[4]))
                    for box, points in zip(boxes, keypoints, strict=True)
                ]
            faces = [face for face in faces if face.area > 0]
            if faces:
                return sorted(faces, key=lambda face: (-face.area, -face.det_score, *face.box))
        return []

    def score_turned(self, image: Image.Image, face: Face) -> float:
        """The detector's best score, 0..1, of a face about as large as this one in the picture turned by quarters.

        Above the face's own score the picture was not upright: detectors find some faces on their side and lay
        upright points over them.
        """
        rgb = np.asarray(image.convert("RGB"))
        found = [0.0]
        for quarters in (1, 2, 3):
            with self._lock:
                boxes, _ = self.detector.detect(_bgr(np.rot90(rgb, quarters)), input_size=(self.det_size,) * 2)
            areas = np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1)
            found += boxes[areas > AS_LARGE * face.area, 4].tolist()
        return max(found)

    def attributes(self, image: Image.Image, face: Face) -> Attributes | None:
        """Gender and age as the pack guesses them of a face of a picture (RGB); None when it has no model for that."""
        if self._attributes is None:
            return None
        with self._lock:
            return self._attributes.read(image, face)

    def active_providers(self) -> dict[str, list[str]]:
        """For each model file, the execution providers that onnxruntime truly took."""
        models = (self.detector, self.recogniser)
        return {Path(model.model_file).name: list(model.session.get_providers()) for model in models}

    def _face(self, rgb: np.ndarray, corners: np.ndarray, keypoints: np.ndarray, score: float) -> Face:
        height, width = rgb.shape[:2]
        box = np.clip(np.concatenate([corners.min(axis=0), corners.max(axis=0)]), 0, [width, height, width, height])
        return Face(
            embedding=embedding(self.recogniser, rgb, keypoints),
            keypoints=keypoints.astype(np.float32),
            box=box.astype(np.float32),
            det_score=score,
            size=(width, height),
        )

    def _sights(self, rgb: np.ndarray) -> "Iterator[Sight]":
        size, plain = self.det_size, np.eye(2, 3)
        yield Sight(_bgr(rgb), size, plain)

        # No later detection looks at more pixels than these.
        shrink = min(1.0, 2 * size / max(rgb.shape[:2]))
        height, width = (max(1, round(side * shrink)) for side in rgb.shape[:2])
        small = rgb if shrink == 1 else cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
        grow = np.array([rgb.shape[1] / width, rgb.shape[0] / height])[:, None]

        edge = round(BORDER * max(width, height))
        bordered = np.pad(small, ((edge, edge), (edge, edge), (0, 0)), constant_values=255)
        yield Sight(_bgr(bordered), size, grow * np.array([[1, 0, -edge], [0, 1, -edge]]))
        for other in self.other_sizes:
            yield Sight(_bgr(small), other, grow * plain)
        # np.rot90 turns against the clock; the matrices lead from the turned picture back to the small one.
        turns = {
            1: [[0, -1, width], [1, 0, 0]],
            3: [[0, 1, 0], [-1, 0, height]],
            2: [[-1, 0, width], [0, -1, height]],
        }
        for quarters, matrix in turns.items():
            yield Sight(_bgr(np.rot90(small, quarters)), size, grow * np.array(matrix))


class Sight(NamedTuple):
    """One way of looking at a picture: its pixels (BGR), the detection size, and the (2, 3) way back for points."""

    bgr: np.ndarray
    det_size: int
    matrix: np.ndarray

    def back(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 2) of this sight in pixels of the picture as given."""
        return points @ self.matrix[:, :2].T + self.matrix[:, 2]


def _bgr(rgb: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rgb[:, :, ::-1])


def embedding(recogniser: Any, rgb: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """(512,) float32, raw: what an insightface recogniser gives for the aligned face.

    rgb: (height, width, 3) uint8. keypoints: (5, 2) x, y px.
    """
    side = recogniser.input_size[0]
    crop = cv2.warpAffine(rgb, alignment(keypoints, side), (side, side), borderValue=(0, 0, 0))
    return recogniser.get_feat(_bgr(crop)).ravel().astype(np.float32)


def alignment(keypoints: np.ndarray, side: int) -> np.ndarray:
    """The (2, 3) similarity that lays five keypoints (5, 2) onto the ArcFace template of a crop of `side` pixels.

    Least squares in closed form (with x + iy as one complex number, target = a * source + b); the same transform as
    insightface's `estimate_norm`, and its rule for sides that are multiples of 128 instead of 112.
    """
    template = arcface_dst.astype(np.float64)
    template = template * (side / 112) if side % 112 == 0 else (template + np.array([8, 0])) * (side / 128)
    source, target = (points.astype(np.float64) @ [1, 1j] for points in (keypoints, template))
    source_middle, target_middle = source.mean(), target.mean()
    spread = float((np.abs(source - source_middle) ** 2).sum())
    a = np.vdot(source - source_middle, target - target_middle) / spread if spread > 0 else 1.0
    b = target_middle - a * source_middle
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def pick_face(faces: Sequence[Face], choice: int | None = None, *, field: str = "face") -> Face:
    """The one rule for photo and pose picture: the largest face, or the one chosen by its place in `faces`.

    faces: largest first, as `FaceAnalyzer` gives them. Raises NoFaceFound without faces, RequestError for a choice
    that is not among them.
    """
    if not faces:
        raise NoFaceFound("There is no face to choose from.", field=field, cure="Send a picture with a face.")
    if choice is None:
        return max(faces, key=lambda face: face.area)
    if not 0 <= choice < len(faces):
        raise RequestError(
            f"Face number {choice + 1} was chosen, but the picture has {len(faces)}.",
            field=field,
            cure="Choose one of the faces that were found.",
        )
    return faces[choice]
