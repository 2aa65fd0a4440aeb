"""The miniature's face pack: a detector and a recogniser that insightface's FaceAnalysis loads as they are.

det.onnx is read with det_size (192, 192). rec.onnx reads aligned 112 px crops. Here the recogniser is also offered
in batches, for training that knows where the keypoints are and has thousands of faces to embed.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from insightface.app import FaceAnalysis
from insightface.model_zoo.scrfd import SCRFD

from training.miniature.alignment import crop_face
from training.miniature.export import open_session

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "miniature" / "face"
OTHER_ASSETS = ASSETS.with_name("face_other")
DETECTOR_FILE = "det.onnx"
RECOGNISER_FILE = "rec.onnx"
DET_SIZE = 192


def open_analysis(pack: Path = ASSETS, det_size: int = DET_SIZE) -> FaceAnalysis:
    """The real FaceAnalysis on a pack folder, on the CPU. Its `get` wants BGR."""
    analysis = FaceAnalysis(
        name=str(Path(pack).resolve()), allowed_modules=["detection", "recognition"], providers=["CPUExecutionProvider"]
    )
    analysis.prepare(ctx_id=-1, det_size=(det_size, det_size))
    return analysis


def open_detector(pack: Path = ASSETS, det_size: int = DET_SIZE) -> SCRFD:
    """Only the detector; `detect(bgr)` gives (n, 5) boxes with scores and (n, 5, 2) keypoints."""
    path = Path(pack) / DETECTOR_FILE
    detector = SCRFD(model_file=str(path), session=open_session(path))
    detector.prepare(-1, input_size=(det_size, det_size), det_thresh=0.5)
    return detector


class Recogniser:
    """Embeddings of many faces whose keypoints are known."""

    def __init__(self, pack: Path = ASSETS, threads: int = 1) -> None:
        """pack: the folder with rec.onnx."""
        self._session = open_session(Path(pack) / RECOGNISER_FILE, threads)
        self._input = self._session.get_inputs()[0].name

    def embed(self, crops: np.ndarray, batch: int = 32) -> np.ndarray:
        """Aligned crops (n, 112, 112, 3) uint8 RGB -> (n, 512) float32 raw embeddings, norm about sqrt(512)."""
        found = np.empty((len(crops), 512), np.float32)
        for start in range(0, len(crops), batch):
            part = crops[start : start + batch].astype(np.float32).transpose(0, 3, 1, 2)
            found[start : start + batch] = self._session.run(None, {self._input: (part - 127.5) / 127.5})[0]
        return found

    def embed_faces(self, images: Iterable[np.ndarray], keypoints: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Pictures (h, w, 3) uint8 RGB with their keypoints (5, 2) x, y px -> (n, 512) float32 raw embeddings."""
        parts, waiting = [], []
        for image, points in zip(images, keypoints, strict=True):
            waiting.append(crop_face(image, points))
            if len(waiting) == 256:
                parts.append(self.embed(np.stack(waiting)))
                waiting = []
        if waiting:
            parts.append(self.embed(np.stack(waiting)))
        return np.concatenate(parts) if parts else np.empty((0, 512), np.float32)
