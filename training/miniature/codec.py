"""The autoencoder: latents are principal components of picture patches, and AutoencoderKL learns both directions.

The components are computed, not learnt, so the diffusion can train while the decoder still does. Channel deviations
are eigenvalue ** 0.25, scaled to unit variance over all channels: the strong components stay stronger than the fine
ones, but less so than in the pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import nn
from torch.nn import functional

from training.miniature.loop import generator

SIDE = 128
PATCH = 16
CHANNELS = 24
BLOCKS = (16, 32, 64, 128, 160)
LATENT_NOISE = 0.2  # the decoder meets latents with noise of a deviation from 0 to this one
LOG_VARIANCE = -8.0
FEATURE_WEIGHT = 4.0  # of the picture's error at an eye, the nose or a corner of the mouth, added to 1
FEATURE_RADIUS = 0.35  # deviation of that weight around the point, of the distance between the eyes


@dataclass(frozen=True, eq=False)
class Components:
    """A linear code of patches.

    mean: (3 * PATCH**2,) float32. basis: (channels, 3 * PATCH**2) float32, orthonormal rows.
    deviation: (channels,) float32, by which coefficients are multiplied to become latents.
    """

    mean: np.ndarray
    basis: np.ndarray
    deviation: np.ndarray

    @classmethod
    def fit(cls, pictures: np.ndarray, channels: int = CHANNELS, patch: int = PATCH) -> Components:
        """pictures: (n, side, side, 3) uint8 RGB."""
        patches = patches_of(pictures, patch).reshape(-1, 3 * patch * patch)
        mean = patches.mean(0)
        centred = patches - mean
        values, vectors = np.linalg.eigh((centred.T @ centred / len(centred)).astype(np.float64))
        values, vectors = values[::-1][:channels], vectors[:, ::-1][:, :channels]
        wanted = values**0.25
        wanted = wanted / np.sqrt((wanted**2).mean())
        return cls(mean, vectors.T.astype(np.float32).copy(), (wanted / np.sqrt(values)).astype(np.float32))

    @classmethod
    def load(cls, path: Path) -> Components:
        with np.load(path) as data:
            return cls(data["mean"], data["basis"], data["deviation"])

    def save(self, path: Path) -> None:
        np.savez(path, mean=self.mean, basis=self.basis, deviation=self.deviation)

    def encode(self, pictures: np.ndarray) -> np.ndarray:
        """(n, side, side, 3) uint8 RGB to latents (n, channels, side / patch, side / patch) float32."""
        patch = round((len(self.mean) / 3) ** 0.5)
        code = (patches_of(pictures, patch) - self.mean) @ self.basis.T * self.deviation
        return np.ascontiguousarray(code.transpose(0, 3, 1, 2))

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """The linear inverse: latents to (n, side, side, 3) uint8 RGB."""
        patch = round((len(self.mean) / 3) ** 0.5)
        n, _, rows, columns = latents.shape
        flat = (latents.transpose(0, 2, 3, 1) / self.deviation) @ self.basis + self.mean
        grid = flat.reshape(n, rows, columns, patch, patch, 3).transpose(0, 1, 3, 2, 4, 5)
        pictures = grid.reshape(n, rows * patch, columns * patch, 3)
        return ((pictures + 1) * 127.5).round().clip(0, 255).astype(np.uint8)


def patches_of(pictures: np.ndarray, patch: int) -> np.ndarray:
    """(n, side, side, 3) uint8 to (n, rows, columns, 3 * patch**2) float32 in -1..1."""
    n, height, width, _ = pictures.shape
    grid = pictures.reshape(n, height // patch, patch, width // patch, patch, 3).transpose(0, 1, 3, 2, 4, 5)
    return grid.reshape(n, height // patch, width // patch, -1).astype(np.float32) / 127.5 - 1


def signal_to_noise(pictures: np.ndarray, copies: np.ndarray) -> float:
    """Peak signal-to-noise ratio in decibels of uint8 pictures, over all of them together."""
    error = (pictures.astype(np.float32) - copies.astype(np.float32)) ** 2
    return float(10 * np.log10(255**2 / error.mean()))


def new_autoencoder(channels: int = CHANNELS, blocks: tuple[int, ...] = BLOCKS, side: int = SIDE) -> AutoencoderKL:
    """An untrained AutoencoderKL whose residual blocks start as identities."""
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(blocks),
        up_block_types=("UpDecoderBlock2D",) * len(blocks),
        block_out_channels=blocks,
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=8,
        sample_size=side,
        scaling_factor=1.0,
        force_upcast=False,
        mid_block_add_attention=False,
    )
    for name, module in vae.named_modules():
        if name.endswith(".conv2") and isinstance(module, nn.Conv2d):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    return vae


def _by_muon(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim == 4 and min(parameter.shape[:2]) >= 16 and "conv_in" not in name


@dataclass(frozen=True)
class DecoderStage:
    """Latents with a little noise to pictures: L1 on colours and on their differences to the neighbours.

    pictures: (n, side, side, 3) uint8 npy. keypoints: (n, 5, 2) float32 npy, x, y px; around them errors count more.
    """

    pictures: Path
    keypoints: Path
    components: Path
    seed: int = 0
    blocks: tuple[int, ...] = BLOCKS
    name: str = "decoder"

    by_muon = staticmethod(_by_muon)

    def build(self) -> nn.Module:
        torch.manual_seed(self.seed)
        channels = len(Components.load(self.components).deviation)
        vae = new_autoencoder(channels, self.blocks)
        return nn.ModuleDict({"decoder": vae.decoder, "post_quant_conv": vae.post_quant_conv})

    def loss(self, network: nn.Module, step: int, rank: int, batch: int) -> torch.Tensor:
        rows, pictures, latents = _draw(self, step, rank, batch)
        weights = _feature_weights(np.load(self.keypoints, mmap_mode="r")[rows], pictures.shape[-1])
        random = generator(self.seed, step, rank, 2)
        amount = LATENT_NOISE * torch.rand(batch, 1, 1, 1, generator=random)
        noisy = latents + amount * torch.randn(latents.shape, generator=random)
        with torch.autocast("cpu", torch.bfloat16):
            made = network["decoder"](network["post_quant_conv"](noisy)).float()  # type: ignore[operator, index]
        error = (made - pictures) * weights
        across, down = error.diff(dim=3), error.diff(dim=2)
        return error.abs().mean() + 0.5 * (across.abs().mean() + down.abs().mean())


@dataclass(frozen=True)
class EncoderStage:
    """Pictures to their latents, for image to image."""

    pictures: Path
    components: Path
    seed: int = 0
    blocks: tuple[int, ...] = BLOCKS
    name: str = "encoder"

    by_muon = staticmethod(_by_muon)

    def build(self) -> nn.Module:
        torch.manual_seed(self.seed + 1)
        channels = len(Components.load(self.components).deviation)
        vae = new_autoencoder(channels, self.blocks)
        return nn.ModuleDict({"encoder": vae.encoder, "quant_conv": vae.quant_conv})

    def loss(self, network: nn.Module, step: int, rank: int, batch: int) -> torch.Tensor:
        _, pictures, latents = _draw(self, step, rank, batch)
        with torch.autocast("cpu", torch.bfloat16):
            moments = network["quant_conv"](network["encoder"](pictures)).float()  # type: ignore[operator, index]
        mean, log_variance = moments.chunk(2, dim=1)
        return functional.mse_loss(mean, latents) + 0.01 * (log_variance - LOG_VARIANCE).square().mean()


def _feature_weights(keypoints: np.ndarray, side: int) -> torch.Tensor:
    """(batch, 5, 2) x, y px to (batch, 1, side, side) weights with mean 1; every second picture is mirrored."""
    points = torch.from_numpy(np.array(keypoints))
    points[1::2, :, 0] = side - 1 - points[1::2, :, 0]
    eyes = (points[:, 0] - points[:, 1]).norm(dim=1).clamp(min=4)
    grid = torch.arange(side, dtype=torch.float32)
    across = (grid[None, None, None, :] - points[:, :, 0, None, None]).square()
    down = (grid[None, None, :, None] - points[:, :, 1, None, None]).square()
    near = torch.exp(-(across + down) / (2 * (FEATURE_RADIUS * eyes[:, None, None, None]).square())).amax(1)
    weights = 1 + FEATURE_WEIGHT * near[:, None]
    return weights / weights.mean(dim=(1, 2, 3), keepdim=True)


def _draw(
    stage: DecoderStage | EncoderStage, step: int, rank: int, batch: int
) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
    """Rows, pictures (batch, 3, side, side) in -1..1, every second one mirrored, and their latents."""
    store = np.load(stage.pictures, mmap_mode="r")
    rows = torch.randint(len(store), (batch,), generator=generator(stage.seed, step, rank, 1)).numpy()
    pictures = np.stack([store[row][:, :: -1 if index % 2 else 1] for index, row in enumerate(rows)])
    latents = Components.load(stage.components).encode(pictures)
    return rows, torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1, torch.from_numpy(latents)


def assembled(weights: dict[str, torch.Tensor], channels: int, blocks: tuple[int, ...] = BLOCKS) -> AutoencoderKL:
    """The AutoencoderKL of the weights of both stages."""
    vae = new_autoencoder(channels, blocks)
    missing = vae.load_state_dict(weights, strict=False)
    if missing.unexpected_keys or missing.missing_keys:
        raise ValueError(f"not this autoencoder's weights: {(missing.unexpected_keys + missing.missing_keys)[:4]}")
    return vae.eval()
