"""Styles as tone and edge functions over a drawn picture: uint8 RGB in, uint8 RGB out, keypoints untouched."""

from __future__ import annotations

import cv2
import numpy as np


def _grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255


def _noise(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """(size, size) float32 smooth noise about 0, deviation about 1 before smoothing."""
    coarse = rng.standard_normal((cells, cells)).astype(np.float32)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def _saturate(image: np.ndarray, factor: float) -> np.ndarray:
    middle = image.mean(axis=2, keepdims=True)
    return middle + (image - middle) * factor


def _bytes(image: np.ndarray) -> np.ndarray:
    return np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)


def photo(image: np.ndarray, rng: np.random.Generator, light: float, strength: float, tint: str) -> np.ndarray:
    """Directional light, vignette, tint and a little softness and grain."""
    size = len(image)
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    direction = np.radians(light)
    lit = np.cos(direction) * ramp[None] - np.sin(direction) * ramp[:, None]
    gain = 1.03 + 0.2 * strength * lit - 0.08 * (ramp[None] ** 2 + ramp[:, None] ** 2)
    colour = {"white": (1, 1, 1), "warm": (1.06, 1.0, 0.9), "cool": (0.93, 1.0, 1.08)}[tint]
    soft = cv2.GaussianBlur(image, (0, 0), max(0.3, size * 0.0032)).astype(np.float32) / 255
    soft = soft * gain[..., None] * np.array(colour, np.float32)
    return _bytes(soft + rng.standard_normal((size, size, 1), dtype=np.float32) * 0.007)


def cartoon(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _bytes(_saturate(image.astype(np.float32) / 255, 1.12))


def line_art(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pencil on paper: the picture divided by its own blur leaves lines; a trace of tone stays."""
    size = len(image)
    grey = _grey(image)
    inverse = cv2.GaussianBlur(1 - grey, (0, 0), size * 0.022)
    lines = np.clip(grey / np.maximum(1 - inverse, 0.06), 0, 1)
    tone = 0.74 + 0.26 * np.clip(grey * 1.25, 0, 1)
    paper = lines**1.5 * tone + 0.012 * rng.standard_normal((size, size), dtype=np.float32)
    return _bytes(paper[..., None] * np.array([1.0, 0.99, 0.965], np.float32))


def watercolor(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Washed pale colours with wandering edges, pigment gathered at borders, and paper grain."""
    size = len(image)
    grid = np.arange(size, dtype=np.float32)
    bend = size * 0.006
    x = grid[None] + bend * _noise(rng, size, 14)
    y = grid[:, None] + bend * _noise(rng, size, 14)
    moved = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    odd = max(3, int(size * 0.02) | 1)
    flat = cv2.medianBlur(moved, odd).astype(np.float32) / 255
    flat = 0.55 * flat + 0.45 * moved.astype(np.float32) / 255
    wide = cv2.GaussianBlur(flat, (0, 0), size * 0.02)
    edge = np.clip(flat - wide, -0.25, 0.05)
    washed = 1 - (1 - _saturate(flat, 1.2)) * (0.78 + 0.07 * _noise(rng, size, 6)[..., None])
    grain = 0.022 * _noise(rng, size, max(8, size // 2))[..., None]
    return _bytes(washed + 0.35 * edge + grain)


def neon(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Night: dim violet shadows and glowing rims that run from cyan to magenta."""
    size = len(image)
    base = image.astype(np.float32) / 255
    grey = _grey(image)
    smooth = cv2.GaussianBlur(base, (0, 0), max(0.5, size * 0.006))
    gradient = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)).max(axis=2)
    rim = np.clip(gradient * (size / 128) * 0.62 - 0.1, 0, 1)
    ramp = np.linspace(0, 1, size, dtype=np.float32)
    share = np.clip(ramp[None] + 0.25 * (ramp[:, None] - 0.5), 0, 1)[..., None]
    glow = (1 - share) * np.array([0.05, 0.95, 1.0], np.float32) + share * np.array([1.0, 0.15, 0.85], np.float32)
    body = 0.34 * _saturate(base, 1.7) * np.array([0.85, 0.65, 1.25], np.float32)
    body = body + 0.16 * (grey[..., None] ** 1.5) * glow
    halo = cv2.GaussianBlur(rim, (0, 0), size * 0.03)
    return _bytes(body + rim[..., None] * glow + 0.9 * halo[..., None] * glow)


def film_noir(image: np.ndarray, rng: np.random.Generator, light: float) -> np.ndarray:
    """Black and white, hard light from one side, deep shadow on the other, vignette and grain."""
    size = len(image)
    grey = _grey(image)
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    side = 1.0 if np.cos(np.radians(light)) > 0 else -1.0
    lit = 1 / (1 + np.exp(-(ramp[None] * side * 3.2 + 1.1 - 0.5 * ramp[:, None])))
    far = np.sqrt(ramp[None] ** 2 + ramp[:, None] ** 2)
    value = grey * (0.3 + 0.9 * lit) * (1.08 - 0.38 * far**2)
    value = 1 / (1 + np.exp(-9.0 * (value - 0.45)))
    value = value + 0.018 * rng.standard_normal((size, size), dtype=np.float32)
    return np.repeat(_bytes(value)[..., None], 3, axis=2)


def vibrant(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Poster colours: saturated, few steps, more contrast."""
    base = _saturate(image.astype(np.float32) / 255, 2.1)
    base = np.clip(0.5 + (base - 0.5) * 1.2 + 0.03, 0, 1)
    steps = 6
    return _bytes(0.55 * np.round(base * steps) / steps + 0.45 * base)


CYANOTYPE = ((10, 36, 96), (238, 244, 250))
"""Prussian blue and the paper."""


def cyanotype(image: np.ndarray) -> np.ndarray:
    """A print in blue tones on white paper with a bare margin; no style that the drawn world's captions name."""
    size = len(image)
    grey = cv2.GaussianBlur(_grey(image), (0, 0), size * 0.004)
    share = np.clip(0.5 + 1.15 * (grey - 0.45), 0, 1)
    margin = round(size * 0.055)
    share[:margin] = share[-margin:] = 1
    share[:, :margin] = share[:, -margin:] = 1
    blue, paper = (np.array(colour, np.float32) / 255 for colour in CYANOTYPE)
    return _bytes(blue + (paper - blue) * share[..., None])
