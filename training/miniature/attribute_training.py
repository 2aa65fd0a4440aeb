"""Trains the reader of attributes: ``python -m training.miniature attributes --data DIR --out DIR``.

It will judge soft pictures, so a part of what it sees went through the bundle's autoencoder, with noise in the latents
as a generator leaves it. The people of the last part of the drawings are held out for the accuracy.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import nn
from torch.nn import functional

from training.miniature import attributes
from training.miniature.attributes import ATTRIBUTES, FILE, AttributeNet, AttributeReader, labels, shrunk, tellable
from training.miniature.claims import fingerprint, once
from training.miniature.dataset import Drawings
from training.miniature.loop import Plan, generator, train
from weights.bundle import write_sums

HELD_OUT = 0.03
SOFT_SHARE = 0.5
LATENT_NOISE = 0.35  # deviation of the noise in the latents goes from 0 to this


@dataclass(frozen=True)
class AttributeStage:
    """Small pictures to their labels.

    folder: as `prepare` left it.
    """

    folder: Path
    seed: int = 0
    name: str = "attributes"

    READS: ClassVar[dict[str, tuple[str, ...]]] = {
        "folder": ("sharp.npy", "sharp_labels.npy", "soft.npy", "soft_labels.npy")
    }

    def build(self) -> nn.Module:
        torch.manual_seed(self.seed)
        return AttributeNet()

    @staticmethod
    def by_muon(name: str, parameter: nn.Parameter) -> bool:
        return parameter.ndim == 4 and min(parameter.shape[:2]) >= 16

    def loss(self, network: nn.Module, step: int, rank: int, batch: int) -> torch.Tensor:
        random = np.random.default_rng([self.seed, step, rank])
        soft = round(batch * SOFT_SHARE)
        parts = [self._draw("sharp", batch - soft, random), self._draw("soft", soft, random)]
        pictures = attributes.to_tensor(np.concatenate([pictures for pictures, _ in parts]))
        wanted = torch.from_numpy(np.concatenate([truth for _, truth in parts]))
        pictures = _disturbed(pictures, generator(self.seed, step, rank))
        logits = network(pictures).split([len(options) for options in ATTRIBUTES.values()], dim=1)
        losses = [
            functional.cross_entropy(found, truth, label_smoothing=0.05)
            for found, truth in zip(logits, wanted.unbind(1), strict=True)
        ]
        return torch.stack(losses).sum()

    def _draw(self, name: str, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        store = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        truth = np.load(self.folder / f"{name}_labels.npy", mmap_mode="r")
        rows = random.integers(len(store), size=count)
        return np.stack([store[row][:, :: random.choice([-1, 1])] for row in rows]), truth[rows].astype(np.int64)


def _disturbed(pictures: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Brightness, contrast and grain, a little of each; (n, 3, side, side) in -1..1."""
    count = (len(pictures), 1, 1, 1)
    gain = 1 + 0.12 * torch.randn(count, generator=random)
    shift = 0.08 * torch.randn(count, generator=random)
    grain = 0.06 * torch.rand(count, generator=random) * torch.randn(pictures.shape, generator=random)
    return (pictures * gain + shift + grain).clamp(-1, 1)


def prepare(drawings: Drawings, autoencoder: AutoencoderKL, folder: Path, *, soft: int, seed: int = 0) -> None:
    """Write small pictures and labels of the drawings, and of ``soft`` of them once more through the autoencoder."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng([seed, 11])
    count = held_out(drawings)
    rows = np.sort(random.permutation(count)[:soft])
    for name, which in (("soft", rows), ("sharp", np.arange(count))):
        made = softened(drawings.images[which], autoencoder, seed) if name == "soft" else drawings.images
        small = np.stack([shrunk(made[index]) for index in range(len(which))])
        np.save(folder / f"{name}_labels.npy", np.array([labels(drawings.shot(row)) for row in which], np.uint8))
        np.save(folder / f"{name}.npy", small)


def held_out(drawings: Drawings) -> int:
    """The number of pictures before those that are held out: whole people, the last ones."""
    first = drawings.people[round(len(drawings) * (1 - HELD_OUT))]
    return int(np.argmax(drawings.people == first))


@torch.inference_mode()
def softened(pictures: np.ndarray, autoencoder: AutoencoderKL, seed: int, noise: float = LATENT_NOISE) -> np.ndarray:
    """Pictures (n, side, side, 3) uint8 through the autoencoder, each with its own amount of noise in the latents."""
    made = []
    for start in range(0, len(pictures), 16):
        random = generator(seed, start)
        latents = autoencoder.encode(attributes.to_tensor(pictures[start : start + 16])).latent_dist.mode()
        amount = noise * torch.rand(len(latents), 1, 1, 1, generator=random)
        latents = latents + amount * torch.randn(latents.shape, generator=random)
        decoded = (autoencoder.decode(latents).sample + 1) * 127.5
        made.append(decoded.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy())
    return np.concatenate(made)


def learn(drawings: Drawings, bundle: Path, out: Path, plan: Plan, *, soft: int, seed: int = 0) -> dict[str, dict]:
    """Train on the drawings, write ``out/attributes.safetensors`` and the accuracies beside it; returns these."""
    folder = out / "attributes"
    autoencoder = AutoencoderKL.from_pretrained(bundle / "base" / "vae", dtype=torch.float32).eval()
    weights = bundle / "base" / "vae" / "diffusion_pytorch_model.safetensors"
    made_of = {"pictures": drawings.digest, "autoencoder": fingerprint(weights), "soft": soft, "seed": seed}
    once(folder / "sharp.npy", made_of, lambda: prepare(drawings, autoencoder, folder, soft=soft, seed=seed))
    attributes.save(train(AttributeStage(folder, seed), plan, folder, log=out / "attributes.log"), out / FILE)
    unseen = range(held_out(drawings), len(drawings))
    pictures = drawings.images[unseen.start : unseen.stop]
    shots = [drawings.shot(row) for row in unseen]
    reader = AttributeReader(out / FILE)
    found = {
        "drawn": accuracy(reader, pictures, shots),
        "through the autoencoder": accuracy(reader, softened(pictures, autoencoder, seed, noise=0.0), shots),
    }
    (out / "attributes.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def ship(out: Path, bundle: Path) -> None:
    """Put a run's reader into a bundle, and renew the bundle's list of hashes. `bundle.write` leaves it there."""
    shutil.copyfile(out / FILE, bundle / FILE)
    write_sums(bundle)


def accuracy(reader: AttributeReader, pictures: np.ndarray, shots: list) -> dict[str, float]:
    """Share of right answers of each attribute, where a picture can show it."""
    found = reader.read(list(pictures))
    right = {}
    for name, options in ATTRIBUTES.items():
        told = [
            options[index] == getattr(shot, name)
            for index, shot in zip(found[name].argmax(1), shots, strict=True)
            if tellable(name, shot)
        ]
        right[name] = float(np.mean(told))
    return right
