"""Soft, shaded heads: a step from drawings towards photographs, for the detector alone.

A head is an ellipsoid with a relief (nose, brow, eye sockets, lips) and a painted skin, lit by one lamp and turned.
Nobody in particular is meant: every head is drawn at random, proportions spread around those of real people, so that
a detector that has seen no photograph of a face still finds one.
Head coordinates as in head.py: x right, y down, z to the viewer, crown at -1 and chin at 1.
"""

from typing import NamedTuple

import cv2
import numpy as np

from training.miniature.degrade import smooth_field

_SIDE = 144
_AXIS = np.linspace(-1, 1, _SIDE, dtype=np.float32)
_U, _V = np.meshgrid(_AXIS, _AXIS)
_SKIN = np.array([(250, 218, 196), (236, 188, 154), (206, 150, 112), (150, 100, 70), (92, 62, 48)], np.float32)
_HAIR = np.array(
    [(24, 20, 20), (60, 40, 28), (110, 70, 40), (170, 120, 70), (216, 186, 130), (150, 60, 34), (170, 170, 172)]
)


class Sculpted(NamedTuple):
    """image (side, side, 3) uint8 RGB, cover (side, side) uint8 where the person is, keypoints (5, 2) float32 px."""

    image: np.ndarray
    cover: np.ndarray
    keypoints: np.ndarray


def _spot(x: float, y: float, wide: float, high: float) -> np.ndarray:
    return np.exp(-(((_U - x) / wide) ** 2) - ((_V - y) / high) ** 2)


def _pixel(x: float, y: float) -> tuple[int, int]:
    """Place on the skin in sixteenths of a pixel, for OpenCV's shifted coordinates."""
    return round((x + 1) / 2 * (_SIDE - 1) * 16), round((y + 1) / 2 * (_SIDE - 1) * 16)


def _length(x: float) -> int:
    return max(4, round(x / 2 * (_SIDE - 1) * 16))


def _colour(value: np.ndarray) -> tuple[float, float, float]:
    r, g, b = (float(v) for v in value)
    return r, g, b


class _Face:
    """Skin (side, side, 3) and relief (side, side) of one random face, and its keypoints in skin coordinates."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.width = rng.uniform(0.66, 0.82)
        self.depth = rng.uniform(0.75, 0.95)
        self.eye_y = rng.uniform(-0.08, 0.1)
        self.eye_x = rng.uniform(0.25, 0.34)
        self.nose_y = self.eye_y + rng.uniform(0.28, 0.42)
        self.mouth_y = max(self.eye_y + rng.uniform(0.53, 0.68), self.nose_y + 0.17)
        self.mouth_x = rng.uniform(0.17, 0.3)
        self.lift = rng.normal(-0.01, 0.025)
        base = rng.uniform(0, len(_SKIN) - 1.01)
        self.tone = _SKIN[int(base)] + (base % 1) * (_SKIN[int(base) + 1] - _SKIN[int(base)])
        self.hair = np.clip(_HAIR[rng.integers(len(_HAIR))] + rng.normal(0, 12, 3), 0, 255).astype(np.float32)
        self.skin = np.broadcast_to(self.tone, (_SIDE, _SIDE, 3)).astype(np.float32)
        self.relief = np.zeros((_SIDE, _SIDE), np.float32)
        self._skin_and_relief()
        self._eyes()
        self._nose()
        self._mouth()
        self._hair()
        self.skin = cv2.GaussianBlur(self.skin, (0, 0), rng.uniform(0.5, 1.3))

    def _tint(self, spot: np.ndarray, colour: np.ndarray | tuple[float, float, float], strength: float) -> None:
        share = (spot * strength)[..., None]
        self.skin = self.skin * (1 - share) + np.asarray(colour, np.float32) * share

    def _skin_and_relief(self) -> None:
        rng = self.rng
        self.skin *= 1 + 0.05 * smooth_field(rng, (_SIDE, _SIDE), 12)[..., None]
        self.skin += rng.normal(0, rng.uniform(0, 6), (_SIDE, _SIDE, 1))
        for side in (-1, 1):
            self._tint(
                _spot(side * 0.42, self.nose_y - 0.02, 0.2, 0.16), self.tone * (1.0, 0.74, 0.72), rng.uniform(0, 0.5)
            )
            socket = _spot(side * self.eye_x, self.eye_y - 0.03, 0.2, 0.13)
            self._tint(socket, self.tone * 0.45, rng.uniform(0.1, 0.6))
            self.relief -= rng.uniform(0.03, 0.09) * socket
            fold = _spot(side * (self.mouth_x + 0.08), (self.nose_y + self.mouth_y) / 2 + 0.02, 0.05, 0.14)
            self._tint(fold, self.tone * 0.5, rng.uniform(0, 0.3))
            self.relief += 0.05 * _spot(side * 0.4, self.nose_y - 0.1, 0.2, 0.2)
        self.relief += rng.uniform(0, 0.06) * _spot(0, self.eye_y - 0.2, 0.5, 0.1) + 0.06 * _spot(0, 0.85, 0.22, 0.14)
        if rng.random() < 0.25:
            beard = np.clip((_V - self.nose_y - 0.1) * 8, 0, 1)
            beard *= 1 - 0.8 * _spot(0, self.mouth_y, self.mouth_x, 0.07)
            rough = 0.8 + 0.2 * rng.standard_normal((_SIDE, _SIDE), np.float32)
            self._tint(np.clip(beard * rough, 0, 1), self.hair * 0.8, rng.uniform(0.2, 0.95))

    def _eyes(self) -> None:
        rng = self.rng
        wide, high = rng.uniform(0.1, 0.15), rng.uniform(0.035, 0.075)
        iris = np.array([(60, 36, 22), (96, 62, 36), (70, 96, 120), (74, 100, 70)][rng.integers(4)], np.float32)
        look = rng.normal(0, 0.02)
        brow = self.hair * rng.uniform(0.5, 0.9)
        thick, raised, shut = rng.uniform(0.02, 0.07), rng.uniform(0.13, 0.2), rng.random() < 0.08
        for side in (-1, 1):
            x, y = side * self.eye_x, self.eye_y
            if shut:
                cv2.ellipse(
                    self.skin,
                    _pixel(x, y),
                    (_length(wide), _length(high * 0.6)),
                    0,
                    10,
                    170,
                    _colour(self.tone * 0.3),
                    2,
                    cv2.LINE_AA,
                    4,
                )
            else:
                white = np.full(3, rng.uniform(165, 240)) * (1, 0.97, 0.95)
                layer, mask = self.skin.copy(), np.zeros((_SIDE, _SIDE), np.float32)
                cv2.ellipse(mask, _pixel(x, y), (_length(wide), _length(high)), 0, 0, 360, 1.0, -1, cv2.LINE_AA, 4)
                layer[:] = white
                size = rng.uniform(0.055, 0.07)
                cv2.circle(layer, _pixel(x + look, y - 0.01), _length(size), _colour(iris), -1, cv2.LINE_AA, 4)
                cv2.circle(layer, _pixel(x + look, y - 0.01), _length(size * 0.5), (12, 10, 10), -1, cv2.LINE_AA, 4)
                cv2.circle(
                    layer, _pixel(x + look + 0.02, y - 0.03), _length(0.014), (250, 250, 250), -1, cv2.LINE_AA, 4
                )
                self.skin = self.skin * (1 - mask[..., None]) + layer * mask[..., None]
                lid = (_length(wide), _length(high))
                cv2.ellipse(
                    self.skin,
                    _pixel(x, y),
                    lid,
                    0,
                    180,
                    360,
                    _colour(self.tone * rng.uniform(0.1, 0.45)),
                    int(rng.integers(1, 4)),
                    cv2.LINE_AA,
                    4,
                )
                cv2.ellipse(
                    self.skin, _pixel(x, y - 0.03), lid, 0, 190, 350, _colour(self.tone * 0.6), 1, cv2.LINE_AA, 4
                )
            t = np.linspace(-1, 1, 9)
            line = np.stack(
                [
                    x + side * 0.02 + t * wide * 1.25,
                    y - raised - 0.03 * (1 - t**2) + side * t * rng.normal(0.01, 0.015),
                ],
                -1,
            )
            points = np.array([_pixel(*p) for p in line], np.int32)
            cv2.polylines(self.skin, [points], False, _colour(brow), max(1, _length(thick) // 16), cv2.LINE_AA, 4)
        if rng.random() < 0.2:
            frame = _colour(np.full(3, rng.uniform(0, 150)))
            size, shape = rng.uniform(0.15, 0.21), rng.uniform(0.7, 1.0)
            for side in (-1, 1):
                axes = (_length(size), _length(size * shape))
                cv2.ellipse(
                    self.skin,
                    _pixel(side * self.eye_x, self.eye_y + 0.02),
                    axes,
                    0,
                    0,
                    360,
                    frame,
                    int(rng.integers(1, 4)),
                    cv2.LINE_AA,
                    4,
                )
            cv2.line(
                self.skin,
                _pixel(-self.eye_x + size, self.eye_y),
                _pixel(self.eye_x - size, self.eye_y),
                frame,
                2,
                cv2.LINE_AA,
                4,
            )

    def _nose(self) -> None:
        rng = self.rng
        wide = rng.uniform(0.09, 0.16)
        self.tip = rng.uniform(0.16, 0.28)
        bridge = np.exp(-((_U / 0.075) ** 2)) * np.clip(
            (_V - self.eye_y + 0.1) / (self.nose_y - self.eye_y + 0.1), 0, 1
        )
        bridge *= 1 / (1 + np.exp((_V - self.nose_y - 0.05) * 40))
        self.relief += self.tip * (0.55 * bridge + 0.45 * _spot(0, self.nose_y, 0.1, 0.09)).astype(np.float32)
        for side in (-1, 1):
            self.relief += 0.07 * _spot(side * wide, self.nose_y + 0.03, 0.06, 0.06)
            self._tint(
                _spot(side * wide * 0.5, self.nose_y + 0.085, 0.04, 0.022), self.tone * 0.18, rng.uniform(0.4, 0.95)
            )
            self._tint(_spot(side * wide * 0.9, self.nose_y - 0.05, 0.035, 0.12), self.tone * 0.5, rng.uniform(0, 0.45))
        self._tint(_spot(0, self.nose_y + 0.12, 0.12, 0.04), self.tone * 0.5, rng.uniform(0, 0.4))
        self._tint(_spot(0, self.nose_y - 0.02, 0.04, 0.05), (255, 246, 238), rng.uniform(0, 0.4))

    def _mouth(self) -> None:
        rng = self.rng
        x, y, lift = self.mouth_x, self.mouth_y, self.lift
        redness = rng.uniform(0, 1)
        lips = self.tone * (0.85, 0.55, 0.52) * (1 - redness) + np.array([170, 40, 50]) * redness
        gape = max(0.0, rng.normal(0.01, 0.05))
        t = np.linspace(-1, 1, 13)
        corner = lift * t**2
        upper = (
            y
            + corner
            - rng.uniform(0.035, 0.07) * (1 - np.abs(t) ** 1.5)
            - gape / 2 * (1 - t**2)
            + 0.012 * np.exp(-((t / 0.2) ** 2))
        )
        lower = y + corner + rng.uniform(0.05, 0.1) * (1 - t**2) + gape / 2 * (1 - t**2)
        outline = np.concatenate([np.stack([t * x, upper], -1), np.stack([t[::-1] * x, lower[::-1]], -1)])
        layer = self.skin.copy()
        cv2.fillPoly(layer, [np.array([_pixel(*p) for p in outline], np.int32)], _colour(lips), cv2.LINE_AA, 4)
        strength = rng.uniform(0.35, 1.0)
        self.skin = self.skin * (1 - strength) + layer * strength
        inner_up, inner_down = y + corner - gape / 2 * (1 - t**2), y + corner + gape / 2 * (1 - t**2)
        dark = _colour(self.tone * 0.15 + np.array([20, 4, 4]))
        if gape > 0.02:
            hole = np.concatenate(
                [np.stack([t * x * 0.92, inner_up], -1), np.stack([t[::-1] * x * 0.92, inner_down[::-1]], -1)]
            )
            inside = _colour(np.full(3, rng.uniform(185, 245))) if rng.random() < 0.65 else dark
            cv2.fillPoly(self.skin, [np.array([_pixel(*p) for p in hole], np.int32)], inside, cv2.LINE_AA, 4)
        else:
            middle = np.array([_pixel(*p) for p in np.stack([t * x, inner_up], -1)], np.int32)
            cv2.polylines(self.skin, [middle], False, dark, int(rng.integers(1, 3)), cv2.LINE_AA, 4)
        for side in (-1, 1):
            self._tint(_spot(side * x, y + lift, 0.035, 0.03), self.tone * 0.3, rng.uniform(0.1, 0.5))
        self._tint(_spot(0, y + 0.14, 0.13, 0.035), self.tone * 0.45, rng.uniform(0, 0.4))
        self.relief += 0.04 * _spot(0, y, x, 0.08).astype(np.float32)

    def _hair(self) -> None:
        rng = self.rng
        self.hood = rng.random() < 0.15
        line = (
            self.eye_y
            - rng.uniform(0.32, 0.6)
            + rng.uniform(0, 1.2) * np.abs(_U) ** rng.uniform(1.5, 4)
            + 0.06 * rng.normal() * _U
        )
        strands = 1 + 0.25 * cv2.resize(
            rng.standard_normal((6, 60), np.float32), (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC
        )
        self.strands = np.clip(self.hair * strands[..., None], 0, 255)
        cover = 1 / (1 + np.exp((_V - line) * rng.uniform(15, 60)))
        if rng.random() < 0.1:
            cover = cover * 0
        self.skin = self.skin * (1 - cover[..., None]) + self.strands * cover[..., None]

    def keypoints(self) -> np.ndarray:
        """(5, 3) head coordinates."""
        flat = np.array([
            [-self.eye_x, self.eye_y], [self.eye_x, self.eye_y], [0, self.nose_y],
            [-self.mouth_x, self.mouth_y + self.lift], [self.mouth_x, self.mouth_y + self.lift],
        ])  # fmt: skip
        z = self.depth * np.sqrt(np.maximum(0.02, 1 - (flat[:, 0] / self.width) ** 2 - flat[:, 1] ** 2))
        z[2] += self.tip * 0.9
        return np.concatenate([flat, z[:, None]], axis=1)


def _rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    yaw, pitch, roll = np.radians([yaw, pitch, roll])
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    nod = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    lean = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return lean @ nod @ turn


def sculpt(rng: np.random.Generator, side: int = 128) -> Sculpted:
    """One random head, turned by up to about 40 degrees, its height .55 to .7 of the side, with hair and shoulders."""
    face = _Face(rng)
    turn = _rotation(rng.normal(0, 16), rng.normal(0, 9), rng.normal(0, 8))
    lamp = rng.normal(0, 1, 3) * (1, 0.8, 0.5) + (0, -0.5, 1.1)
    lamp = turn.T @ (lamp / np.linalg.norm(lamp))
    inside = 1 - (_U / face.width) ** 2 - _V**2
    surface = face.depth * np.sqrt(np.maximum(inside, 0.0)) + face.relief * (inside > 0.02)
    smooth = cv2.GaussianBlur(surface, (0, 0), 1.0)
    slope_y, slope_x = np.gradient(smooth, _AXIS[1] - _AXIS[0])
    normal = np.stack([-np.clip(slope_x, -6, 6), -np.clip(slope_y, -6, 6), np.ones_like(smooth)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    lit = normal @ lamp
    ambient = rng.uniform(0.25, 0.8)
    light = ambient + (1 - ambient) * np.clip(lit * 0.8 + 0.2, 0, None) * rng.uniform(1.0, 1.5)
    shine = rng.uniform(0, 45) * np.clip(lit, 0, 1) ** 12
    painted = np.clip(face.skin * light[..., None] + shine[..., None], 0, 255).astype(np.float32)

    unit = side * rng.uniform(0.275, 0.35)
    middle = np.array([side / 2, side * 0.47]) + rng.normal(0, 0.01 * side, 2)
    grid_x, grid_y = np.meshgrid(np.arange(side, dtype=np.float32), np.arange(side, dtype=np.float32))
    x, y = (grid_x - middle[0]) / unit, (grid_y - middle[1]) / unit
    radii = 1 / np.array([face.width, 1.0, face.depth]) ** 2
    ray = turn.T @ np.array([0, 0, 1.0])
    start = np.stack([x, y, np.zeros_like(x)], -1) @ turn
    a = (radii * ray * ray).sum()
    b = (start * radii) @ ray
    c = (start * start * radii).sum(-1) - 1
    inner = b * b - a * c
    reach = (-b + np.sqrt(np.maximum(inner, 0))) / a
    to_skin = (_SIDE - 1) / 2
    for _ in range(3):
        head = start + reach[..., None] * ray
        place = ((head[..., :2] + 1) * to_skin).astype(np.float32)
        height = cv2.remap(surface, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        front = head[..., 2] > 0.05
        reach = reach + np.where(front, np.clip(height - head[..., 2], -0.25, 0.25), 0) * 0.8
    head = start + reach[..., None] * ray
    place = ((head[..., :2] + 1) * to_skin).astype(np.float32)
    shown = cv2.remap(painted, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    back = np.clip((0.12 - head[..., 2]) * 8, 0, 1)[..., None]
    shown = shown * (1 - back) + face.hair * 0.8 * back
    skull = np.clip(inner * 12, 0, 1)[..., None]

    image, cover = _behind(rng, face, x, y, turn, side)
    image = image * (1 - skull) + shown * skull
    cover = np.maximum(cover, skull[..., 0])
    points = (face.keypoints() @ turn.T)[:, :2] * unit + middle
    return Sculpted(np.clip(image, 0, 255).astype(np.uint8), (cover * 255).astype(np.uint8), points.astype(np.float32))


def _behind(rng: np.random.Generator, face: _Face, x: np.ndarray, y: np.ndarray, turn: np.ndarray, side: int):
    """Hair or a hood around the head, neck and shoulders: image (side, side, 3) float and cover (side, side)."""
    cloth = rng.uniform(10, 245, 3).astype(np.float32)
    image = np.broadcast_to(cloth, (side, side, 3)).astype(np.float32).copy()
    wave = 1 + 0.12 * smooth_field(rng, (side, side), 6)
    image *= wave[..., None]
    shoulders = (y > rng.uniform(1.15, 1.4) + 0.16 * x**2) & (np.abs(x) < rng.uniform(1.3, 2.3))
    neck = (np.abs(x - 0.1 * turn[0, 2]) < rng.uniform(0.35, 0.5)) & (y > 0.3) & ~shoulders & (y < 1.6)
    image = np.where(neck[..., None], face.tone * rng.uniform(0.45, 0.85), image)
    cover = (shoulders | neck).astype(np.float32)
    shift = -0.25 * turn[0, 2]
    volume = rng.uniform(1.0, 1.45)
    fall = rng.uniform(0.2, 1.6)
    hair = ((x - shift) / (face.width * volume)) ** 2 + (
        (y + 0.1) / np.where(y < -0.1, 1.0 * volume**0.5, fall)
    ) ** 2 < 1
    if face.hood:
        hair = ((x - shift) / (face.width * 1.6)) ** 2 + ((y + 0.05) / 1.45) ** 2 < 1
    strands = cv2.resize(face.strands, (side, side))
    colour = np.broadcast_to(rng.uniform(20, 250, 3).astype(np.float32), image.shape) if face.hood else strands * 0.85
    image = np.where(hair[..., None], colour, image)
    cover = np.maximum(cover, hair.astype(np.float32))
    return cv2.GaussianBlur(image, (0, 0), 0.8), cv2.GaussianBlur(cover, (0, 0), 0.8)
