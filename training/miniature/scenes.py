"""Training pictures of the detector: drawn and sculpted faces, alone or several, anywhere, and pictures without a face.

Real photographs serve as backgrounds only: the samples that come with skimage, without those that show a person
(`astronaut` is kept for testing; `camera` shows a man).
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import skimage.data

from training.miniature import degrade
from training.miniature.alignment import TEMPLATE, similarity
from training.miniature.draw import render_place
from training.miniature.faces import Faces, crisp_faces
from training.miniature.scene_effects import mirrored, photographed, random_crop, softened, warped
from training.miniature.sculpted import sculpt
from training.miniature.shot import Shot

_PHOTOGRAPHS = (
    "coffee", "chelsea", "rocket", "coins", "moon", "page", "text", "clock", "brick", "grass", "gravel",
    "immunohistochemistry", "hubble_deep_field", "retina", "colorwheel", "checkerboard", "logo", "motorcycle_left",
)  # fmt: skip
_HEAD_CENTRE, _HEAD_AXES = (56.0, 50.0), (58.0, 78.0)


def natural_pictures() -> list[np.ndarray]:
    """skimage's own sample pictures without people, (h, w, 3) uint8 RGB, no side over 640."""
    pictures = []
    for name in _PHOTOGRAPHS:
        picture = skimage.data.stereo_motorcycle()[0] if name == "motorcycle_left" else getattr(skimage.data, name)()
        if picture.ndim == 2:
            picture = np.repeat(picture[..., None], 3, axis=2)
        scale = min(1.0, 640 / max(picture.shape[:2]))
        size = (int(picture.shape[1] * scale), int(picture.shape[0] * scale))
        pictures.append(cv2.resize(np.ascontiguousarray(picture[..., :3]), size, interpolation=cv2.INTER_AREA))
    return pictures


@dataclass(frozen=True, eq=False)
class Sources:
    """What pictures are put together from. covers: (n, 128, 128) uint8 of the sculpted heads."""

    drawn: Faces
    crisp: Faces
    sculpted: Faces
    covers: np.ndarray
    places: np.ndarray
    photographs: list[np.ndarray]


def prepare_sources(folder: Path, drawn: Faces, *, crisp: int, heads: int, places: int, seed: int = 0) -> Sources:
    """Draw what is missing in `folder`: `crisp` faces of 256 px, sculpted heads and empty places."""
    stored = folder / f"heads_{heads}_{places}_{seed}.npz"
    if not stored.exists():
        rng = np.random.default_rng([seed, 77])
        made = [sculpt(rng) for _ in range(heads)]
        empty = [render_place(Shot.sample(rng, scene_share=0.85)) for _ in range(places)]
        unfinished = stored.with_suffix(".tmp.npz")
        np.savez(
            unfinished,
            images=np.stack([one.image for one in made]),
            covers=np.stack([one.cover for one in made]),
            keypoints=np.stack([one.keypoints for one in made]),
            places=np.stack(empty),
        )
        unfinished.replace(stored)
    with np.load(stored) as data:
        sculpted = Faces((data["images"],), data["keypoints"], np.arange(heads))
        return Sources(drawn, crisp_faces(folder, crisp), sculpted, data["covers"], data["places"], natural_pictures())


class SceneMaker:
    """Puts training pictures of `side` pixels together."""

    def __init__(self, sources: Sources, side: int) -> None:
        self.sources, self.side = sources, side

    def make(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One picture (side, side, 3) uint8 RGB and its faces' keypoints (m, 5, 2) float32 x, y px."""
        kind = rng.random()
        if kind < 0.42:
            image, faces = self._whole(rng)
        elif kind < 0.88:
            image, faces = self._collage(rng)
        else:
            image, faces = self._empty(rng), np.empty((0, 5, 2), np.float32)
        image = photographed(image, rng)
        if rng.random() < 0.5 and len(faces):
            image, faces = image[:, ::-1], mirrored(faces, self.side)
        return np.ascontiguousarray(image), faces.astype(np.float32)

    def _whole(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A drawn picture as a whole, seldom moved, as the product reads its own pictures."""
        images = self.sources.crisp if rng.random() < 0.2 else self.sources.drawn
        i = int(rng.integers(len(images)))
        picture, points = images.image(i), images.keypoints[i]
        if rng.random() < 0.3:
            picture, points = warped(picture, points, rng)
        factor = self.side / picture.shape[0]
        angle, scale, move = 0.0, 1.0, np.zeros(2)
        if rng.random() < 0.6:
            angle, scale = np.radians(rng.normal(0, 9)), float(np.exp(rng.uniform(np.log(0.5), np.log(1.3))))
            move = rng.uniform(-0.5, 0.5, 2) * self.side * abs(1 - scale)
        matrix = _placing(angle, scale * factor, np.full(2, picture.shape[0] / 2), self.side / 2 + move)
        border = [cv2.BORDER_CONSTANT, cv2.BORDER_REPLICATE][int(rng.integers(2))]
        colour = rng.integers(0, 256, 3).tolist() if rng.random() < 0.5 else [0, 0, 0]
        image = cv2.warpAffine(picture, matrix, (self.side, self.side), borderMode=border, borderValue=colour)
        return image, _inside((points @ matrix[:, :2].T + matrix[:, 2])[None], self.side)

    def _collage(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One to four faces on a background, each a different way."""
        image = self._background(rng)
        faces: list[np.ndarray] = []
        for _ in range(int(rng.choice([1, 2, 3, 4], p=[0.55, 0.25, 0.12, 0.08]))):
            size = float(self.side * np.exp(rng.uniform(np.log(0.08), np.log(0.65 if not faces else 0.3))))
            centre = rng.uniform(0.3 * size, self.side - 0.3 * size, 2)
            if any(np.abs(known.mean(axis=0) - centre).max() < 1.0 * (size + _extent(known)) for known in faces):
                continue
            picture, cover, points = self._head(rng)
            turn = similarity(points[None], TEMPLATE * size / 112)[0]
            scale = float(np.hypot(turn[0, 0], turn[1, 0]))
            matrix = _placing(np.radians(rng.normal(0, 10)), scale, points.mean(axis=0), centre)
            shape = (self.side, self.side)
            laid = cv2.warpAffine(picture, matrix, shape, flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
            mask = cv2.warpAffine(cover, matrix, shape).astype(np.float32)[..., None] / 255
            image = (image * (1 - mask) + laid * mask).astype(np.uint8)
            faces.append(points @ matrix[:, :2].T + matrix[:, 2])
        if not faces:
            return image, np.empty((0, 5, 2), np.float32)
        return image, _inside(np.stack(faces), self.side)

    def _head(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A face cut out: picture, cover (both 128 or 256 px) and keypoints."""
        if rng.random() < 0.6:
            i = int(rng.integers(len(self.sources.sculpted)))
            picture, cover = self.sources.sculpted.image(i), self.sources.covers[i]
            points = self.sources.sculpted.keypoints[i]
            picture = degrade.recolour(picture, rng, 1.0)
        else:
            images = self.sources.crisp if rng.random() < 0.2 else self.sources.drawn
            i = int(rng.integers(len(images)))
            picture, points = images.image(i), images.keypoints[i]
            side = picture.shape[0]
            cover = np.zeros((side, side), np.uint8)
            if rng.random() < 0.35:
                cover[2:-2, 2:-2] = 255
            else:
                matrix = similarity(TEMPLATE[None], points)[0]
                scale, angle = np.hypot(matrix[0, 0], matrix[1, 0]), np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))
                x, y = matrix[:, :2] @ np.array(_HEAD_CENTRE) + matrix[:, 2]
                axes = (scale * _HEAD_AXES[0] * rng.uniform(0.85, 1.2), scale * _HEAD_AXES[1] * rng.uniform(0.85, 1.15))
                cv2.ellipse(cover, ((float(x), float(y)), (2 * axes[0], 2 * axes[1]), float(angle)), 255, -1)
                cover = cv2.GaussianBlur(cover, (0, 0), 1.5 * side / 128)
            if rng.random() < 0.5:
                picture = softened(picture, rng, self.sources.photographs)
        if rng.random() < 0.5:
            stacked, points = warped(np.dstack([picture, cover]), points, rng)
            picture, cover = np.ascontiguousarray(stacked[..., :3]), np.ascontiguousarray(stacked[..., 3])
        return picture, cover, points

    def _background(self, rng: np.random.Generator) -> np.ndarray:
        kind = rng.random()
        if kind < 0.5:
            picture = self.sources.photographs[int(rng.integers(len(self.sources.photographs)))]
            return random_crop(picture, self.side, rng)
        if kind < 0.75:
            picture = self.sources.places[int(rng.integers(len(self.sources.places)))]
            return random_crop(picture, self.side, rng)
        if kind < 0.85:
            return np.broadcast_to(rng.integers(0, 256, 3).astype(np.uint8), (self.side, self.side, 3)).copy()
        cells = int(rng.integers(2, 40))
        coarse = rng.integers(0, 256, (cells, cells, 3)).astype(np.uint8)
        how = cv2.INTER_NEAREST if rng.random() < 0.3 else cv2.INTER_CUBIC
        return cv2.resize(coarse, (self.side, self.side), interpolation=how)

    def _empty(self, rng: np.random.Generator) -> np.ndarray:
        """No face: a background, a shuffled drawing, or blobs that are nobody."""
        kind = rng.random()
        if kind < 0.55:
            return self._background(rng)
        if kind < 0.8:
            picture = self.sources.drawn.image(int(rng.integers(len(self.sources.drawn))))
            tiles = picture.reshape(4, 32, 4, 32, 3).swapaxes(1, 2).reshape(16, 32, 32, 3)[rng.permutation(16)]
            picture = tiles.reshape(4, 4, 32, 32, 3).swapaxes(1, 2).reshape(128, 128, 3)
            return cv2.resize(picture, (self.side, self.side))
        image = self._background(rng)
        for _ in range(int(rng.integers(1, 7))):
            centre = rng.uniform(0, self.side, 2).astype(int).tolist()
            axes = rng.uniform(4, 90, 2).astype(int).tolist()
            skin = np.clip(np.array([230, 180, 150]) * rng.uniform(0.2, 1.1) + rng.normal(0, 20, 3), 0, 255).tolist()
            cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0, 360, skin, int(rng.choice([-1, -1, 3])))
        return image


def _placing(angle: float, scale: float, source: np.ndarray, target: np.ndarray | float) -> np.ndarray:
    """The similarity (2, 3) that turns and scales about `source` and puts it at `target`."""
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[c, -s], [s, c]])
    return np.concatenate([linear, (np.broadcast_to(target, 2) - linear @ source)[:, None]], axis=1)


def _extent(points: np.ndarray) -> float:
    return float(np.ptp(points, axis=0).max())


def _inside(faces: np.ndarray, side: int) -> np.ndarray:
    """The faces of which at least four keypoints are in the picture."""
    within = ((faces > 0) & (faces < side)).all(axis=2).sum(axis=1) >= 4
    return faces[within]
