"""The skin of a sculpted head: colours and relief of one random face, in frontal head coordinates (sculpted.py)."""

import cv2
import numpy as np

from training.miniature.degrade import smooth_field

SIDE = 144
AXIS = np.linspace(-1, 1, SIDE, dtype=np.float32)
U, V = np.meshgrid(AXIS, AXIS)
_SKIN = np.array([(250, 218, 196), (236, 188, 154), (206, 150, 112), (150, 100, 70), (92, 62, 48)], np.float32)
_HAIR = np.array(
    [(24, 20, 20), (60, 40, 28), (110, 70, 40), (170, 120, 70), (216, 186, 130), (150, 60, 34), (170, 170, 172)]
)


def _spot(x: float, y: float, wide: float, high: float) -> np.ndarray:
    return np.exp(-(((U - x) / wide) ** 2) - ((V - y) / high) ** 2)


def _pixel(x: float, y: float) -> tuple[int, int]:
    """Place on the skin in sixteenths of a pixel, for OpenCV's shifted coordinates."""
    return round((x + 1) / 2 * (SIDE - 1) * 16), round((y + 1) / 2 * (SIDE - 1) * 16)


def _length(x: float) -> int:
    return max(4, round(x / 2 * (SIDE - 1) * 16))


def _colour(value: np.ndarray) -> tuple[float, float, float]:
    r, g, b = (float(v) for v in value)
    return r, g, b


class SculptedFace:
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
        self.skin = np.broadcast_to(self.tone, (SIDE, SIDE, 3)).astype(np.float32)
        self.relief = np.zeros((SIDE, SIDE), np.float32)
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
        self.skin *= 1 + 0.05 * smooth_field(rng, (SIDE, SIDE), 12)[..., None]
        self.skin += rng.normal(0, rng.uniform(0, 6), (SIDE, SIDE, 1))
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
            beard = np.clip((V - self.nose_y - 0.1) * 8, 0, 1)
            beard *= 1 - 0.8 * _spot(0, self.mouth_y, self.mouth_x, 0.07)
            rough = 0.8 + 0.2 * rng.standard_normal((SIDE, SIDE), np.float32)
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
                layer, mask = self.skin.copy(), np.zeros((SIDE, SIDE), np.float32)
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
        bridge = np.exp(-((U / 0.075) ** 2)) * np.clip((V - self.eye_y + 0.1) / (self.nose_y - self.eye_y + 0.1), 0, 1)
        bridge *= 1 / (1 + np.exp((V - self.nose_y - 0.05) * 40))
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
            + rng.uniform(0, 1.2) * np.abs(U) ** rng.uniform(1.5, 4)
            + 0.06 * rng.normal() * U
        )
        strands = 1 + 0.25 * cv2.resize(
            rng.standard_normal((6, 60), np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC
        )
        self.strands = np.clip(self.hair * strands[..., None], 0, 255)
        with np.errstate(over="ignore"):  # far below the line there is no hair at all
            cover = 1 / (1 + np.exp((V - line) * rng.uniform(15, 60)))
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
