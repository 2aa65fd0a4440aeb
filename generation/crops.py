"""A face taken out of a picture upright and at full size, and put back so that nobody sees the seam."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from errors import RequestError
from face.points import as_face, as_size
from face.region import BELOW_EYES, face_region
from face.views import FACE_HEIGHT, frontal_interocular

FACE_SHARE = 0.55
"""Height of the face, hairline to chin, over the side of its crop: as in a portrait, which the networks know best."""

MARGIN, FEATHER = 0.15, 0.2
"""How far the changed region reaches beyond the head's box, and its soft edge, over the box's longer side."""

EDGE = 0.125
"""Width of the soft edge of a crop that a mask would fill, over its side."""

LARGEST_GAIN = 1.5
"""How far the contrast of a colour may be changed at most; beyond, two regions have little in common."""

LEAST_AGREED = 0.01
"""Share of a patch below which what it has in common with the picture is too little to tell colours from."""


@dataclass(frozen=True, eq=False)
class Crop:
    """A window onto a picture, turned and scaled.

    matrix: (2, 3) from x, y px of the picture to x, y px of the crop; a similarity.
    size: (width, height) of the crop in px.
    """

    matrix: np.ndarray
    size: tuple[int, int]

    @property
    def scale(self) -> float:
        """Pixels of the crop for one pixel of the picture."""
        return float(np.hypot(self.matrix[0, 0], self.matrix[1, 0]))

    def carry(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) of the picture in px of the crop, float32."""
        return (np.asarray(points, np.float64) @ self.matrix[:, :2].T + self.matrix[:, 2]).astype(np.float32)

    def back(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) of the crop in px of the picture, float32."""
        inverse = cv2.invertAffineTransform(self.matrix)
        return (np.asarray(points, np.float64) @ inverse[:, :2].T + inverse[:, 2]).astype(np.float32)

    def cut(self, picture: Image.Image) -> Image.Image:
        """What the crop shows of a picture, RGB; edges are drawn out where it reaches beyond."""
        pixels = np.asarray(picture.convert("RGB"))
        if self.scale < 1:  # fewer pixels than before: without this, fine patterns would turn into coarse ones
            pixels = cv2.GaussianBlur(pixels, (0, 0), 0.5 / self.scale)
        cut = cv2.warpAffine(pixels, self.matrix, self.size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return Image.fromarray(cut)

    def mask_back(self, mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """A mask (h, w) of the crop as a mask (height, width) of a picture of `size` (width, height), 0 outside."""
        return np.clip(cv2.warpAffine(mask, self.matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), 0, 1)

    def mask_cut(self, mask: np.ndarray) -> np.ndarray:
        """What the crop shows of a mask (height, width) of the picture, 0 beyond its edges."""
        return np.clip(cv2.warpAffine(mask, self.matrix, self.size, flags=cv2.INTER_LINEAR), 0, 1)

    def paste(self, picture: Image.Image, patch: Image.Image, mask: np.ndarray) -> Image.Image:
        """The picture with a patch of the crop's size in its place.

        Args:
            mask: (height, width) of the picture, 0..1; where it is 0 every pixel stays exactly as it was.
        """
        before = np.asarray(picture.convert("RGB"))
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        pixels = np.asarray(patch.convert("RGB"))
        laid = cv2.warpAffine(pixels, self.matrix, picture.size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        share = mask[..., None]
        mixed = before * (1 - share) + laid.astype(np.float32) * share
        return Image.fromarray(np.where(share > 0, np.clip(np.rint(mixed), 0, 255).astype(np.uint8), before))


def covering(size: tuple[int, int], into: tuple[int, int]) -> Crop:
    """The largest window of a picture of `size` with the proportions of `into`, centred, at the size of `into`."""
    (width, height), (to_width, to_height) = as_size(size), as_size(into)
    scale = max(to_width / width, to_height / height)
    shift = [(to_width - width * scale + scale - 1) / 2, (to_height - height * scale + scale - 1) / 2]
    return Crop(np.array([[scale, 0, shift[0]], [0, scale, shift[1]]]), (to_width, to_height))


def around_face(keypoints: np.ndarray, size: tuple[int, int], *, share: float = FACE_SHARE) -> Crop:
    """The crop of `size` (width, height) px in which a face stands upright, in the middle.

    Args:
        keypoints: (5, 2) x, y px in the picture.
        share: height of the face over the crop's shorter side.

    Raises RequestError when the five points are one.
    """
    points = as_face(keypoints)
    unit = frontal_interocular(points)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    drop = mouth - eyes
    if unit <= 0 or not drop.any():
        raise RequestError("Five keypoints on one spot are no face.", field="keypoints", cure="Choose another face.")
    down = drop / np.linalg.norm(drop)
    middle = eyes + down * BELOW_EYES * unit
    scale = share * min(size) / (FACE_HEIGHT * unit)
    turn = scale * np.array([[down[1], -down[0]], [down[0], down[1]]])
    shift = np.array(size) / 2 - 0.5 - turn @ middle
    return Crop(np.concatenate([turn, shift[:, None]], axis=1), (int(size[0]), int(size[1])))


def face_mask(keypoints: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Where a face and its hair may change, (height, width) in 0..1; keypoints (5, 2) px of the same canvas.

    It is 0 on the canvas's edge, so that nothing outside of a crop changes.
    """
    mask = face_region(keypoints, size, margin=MARGIN, feather=FEATHER)
    mask[[0, -1], :] = 0
    mask[:, [0, -1]] = 0
    return mask


def soft_edge(size: tuple[int, int]) -> np.ndarray:
    """(height, width) float32, 0 on the edge of a canvas of `size` (width, height), rising to 1 within."""
    across, down = (np.minimum(np.arange(side), np.arange(side)[::-1]) / (EDGE * side) for side in size)
    rise = np.clip(np.minimum(down[:, None], across[None]), 0, 1)
    return (rise * rise * (3 - 2 * rise)).astype(np.float32)


def match_colours(patch: Image.Image, wanted: Image.Image, where: np.ndarray) -> Image.Image:
    """The patch with the mean and the contrast that the wanted picture has in a region, colour by colour.

    Args:
        patch, wanted: RGB of one size.
        where: (height, width) weights of the pixels that both pictures should agree on. With next to none of them
            the patch stays as it is.
    """
    if where.mean() < LEAST_AGREED:
        return patch
    weight = where[..., None] / float(where.sum())
    pixels, goal = (np.asarray(picture.convert("RGB"), np.float32) for picture in (patch, wanted))
    mean, goal_mean = ((each * weight).sum(axis=(0, 1)) for each in (pixels, goal))
    spread, goal_spread = (
        np.sqrt((np.square(each - middle) * weight).sum(axis=(0, 1)))
        for each, middle in ((pixels, mean), (goal, goal_mean))
    )
    gain = np.clip(goal_spread / np.maximum(spread, 1e-3), 1 / LARGEST_GAIN, LARGEST_GAIN)
    return Image.fromarray(np.clip(np.rint((pixels - mean) * gain + goal_mean), 0, 255).astype(np.uint8))
