"""What happens to a picture between the drawing and the reader: light, colour, blur, noise, compression, codecs.

All functions take and give (h, w, 3) uint8 RGB and draw from the generator that they are given.
"""

import cv2
import numpy as np


class PatchCodec:
    """A low-rank picture code: principal components of square patches, blocky as a coarse autoencoder is.

    Fitted on the spot with a seed; used to make readers of pictures robust to what an autoencoder loses.
    """

    def __init__(self, images: np.ndarray, components: int = 40, patch: int = 16, samples: int = 12000, seed: int = 0):
        """images: (n, h, w, 3) uint8 RGB, h and w multiples of `patch`."""
        rng = np.random.default_rng(seed)
        self.patch = patch
        rows, columns = images.shape[1] // patch, images.shape[2] // patch
        patches = np.empty((samples, patch, patch, 3), np.float32)
        for i in range(samples):
            y, x = patch * rng.integers(rows), patch * rng.integers(columns)
            patches[i] = images[rng.integers(len(images)), y : y + patch, x : x + patch]
        flat = patches.reshape(samples, -1)
        self.mean = flat.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov(flat - self.mean, rowvar=False))
        self.basis = np.ascontiguousarray(vectors[:, ::-1][:, :components]).astype(np.float32)
        self.deviation = np.sqrt(np.maximum(values[::-1][:components], 0)).astype(np.float32)

    def __call__(self, image: np.ndarray, rank: int, rng: np.random.Generator, noise: float = 0.08) -> np.ndarray:
        p = self.patch
        rows, columns = image.shape[0] // p, image.shape[1] // p
        flat = image.reshape(rows, p, columns, p, 3).swapaxes(1, 2).reshape(-1, p * p * 3).astype(np.float32)
        code = (flat - self.mean) @ self.basis[:, :rank]
        code += noise * self.deviation[:rank] * rng.standard_normal(code.shape, np.float32)
        flat = code @ self.basis[:, :rank].T + self.mean
        image = flat.reshape(rows, columns, p, p, 3).swapaxes(1, 2).reshape(image.shape)
        return np.clip(image, 0, 255).astype(np.uint8)


def smooth_field(rng: np.random.Generator, size: tuple[int, int], cells: int) -> np.ndarray:
    """A soft random field (h, w) float32, about unit variance at its nodes; size is (w, h)."""
    nodes = rng.standard_normal((cells, cells), np.float32)
    return cv2.resize(nodes, size, interpolation=cv2.INTER_CUBIC)


def recolour(image: np.ndarray, rng: np.random.Generator, strength: float = 1.0) -> np.ndarray:
    """Gain, tint, contrast and offset, the same everywhere."""
    gain = np.exp(strength * rng.normal(0, 0.18))
    tint = np.exp(strength * rng.normal(0, 0.06, 3))
    offset = strength * rng.normal(0, 12)
    table = np.arange(256, dtype=np.float32)[:, None]
    gamma = np.exp(strength * rng.normal(0, 0.15))
    table = 255 * (table / 255) ** gamma * gain * tint + offset
    return cv2.LUT(image, np.clip(table, 0, 255).astype(np.uint8)[None])


def relight(image: np.ndarray, rng: np.random.Generator, strength: float = 0.35) -> np.ndarray:
    """Uneven light: a soft random field times the picture."""
    height, width = image.shape[:2]
    field = np.exp(strength * smooth_field(rng, (width, height), int(rng.integers(2, 5))))
    return np.clip(image * field[..., None], 0, 255).astype(np.uint8)


def blur(image: np.ndarray, rng: np.random.Generator, most: float = 1.6) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, most)))


def grain(image: np.ndarray, rng: np.random.Generator, most: float = 16.0) -> np.ndarray:
    """Sensor-like noise, sometimes coarse."""
    height, width = image.shape[:2]
    step = int(rng.integers(1, 4))
    noise = rng.standard_normal((-(-height // step), -(-width // step), 3), np.float32) * rng.uniform(2, most)
    if step > 1:
        noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def compress(image: np.ndarray, rng: np.random.Generator, worst: int = 25) -> np.ndarray:
    """JPEG at a random quality."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(worst, 90))])
    if not done:
        raise ValueError("the picture could not be encoded as JPEG")
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def shrink(image: np.ndarray, rng: np.random.Generator, smallest: float = 0.45) -> np.ndarray:
    """Down and up again by a random factor."""
    height, width = image.shape[:2]
    factor = rng.uniform(smallest, 1.0)
    small = cv2.resize(image, (max(8, int(width * factor)), max(8, int(height * factor))), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC])))


def grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
