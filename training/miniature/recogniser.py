"""Trains the miniature's recogniser: aligned crops to 512 numbers, near for one person and far for two.

    OMP_NUM_THREADS=1 python -m training.miniature.recogniser --seed 0 --out runs/recogniser

ArcFace (Deng et al. 2019, arXiv:1801.07698) on drawn people, with a margin that grows over the first part of the
training. Crops are misaligned as much as a detector would, and a share of them goes through a low-rank patch code,
shrinking or JPEG, so that a face made by a small autoencoder is still known. The shipped recogniser is `plain` with
seed 0; the foreign one beside it is `--net residual --seed 1`.
"""

import argparse
import math
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from training.miniature import degrade
from training.miniature.alignment import CROP, TEMPLATE, interocular, similarity
from training.miniature.claims import claim
from training.miniature.export import export_onnx
from training.miniature.face_pack import RECOGNISER_FILE, Recogniser
from training.miniature.faces import UNSEEN, Faces, training_faces, unseen_faces
from training.miniature.recogniser_nets import NETS, FaceNet

SCALE, MARGIN = 24.0, 0.25
PEOPLE = 6000


class ArcFace(nn.Module):
    """Cross-entropy over scaled cosines, with the true angle widened by a margin."""

    def __init__(self, people: int) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(people, 512) * 0.05)

    def forward(self, embeddings: torch.Tensor, people: torch.Tensor, margin: float) -> torch.Tensor:
        cosine = F.normalize(embeddings) @ F.normalize(self.centres).T
        true = cosine.gather(1, people[:, None]).clamp(-1 + 1e-6, 1 - 1e-6)
        widened = true * math.cos(margin) - (1 - true**2).sqrt() * math.sin(margin)
        return F.cross_entropy(SCALE * cosine.scatter(1, people[:, None], widened), people)


def training_crop(
    image: np.ndarray, keypoints: np.ndarray, codec: degrade.PatchCodec | None, rng: np.random.Generator
) -> np.ndarray:
    """One degraded, misaligned crop (112, 112, 3) uint8 RGB."""
    way = rng.random()
    if codec is not None and way < 0.45:
        image = codec(image, int(rng.integers(20, codec.basis.shape[1] + 1)), rng, noise=rng.uniform(0, 0.15))
        if rng.random() < 0.5:
            image = degrade.blur(image, rng, 1.2)
    elif way < 0.6:
        image = degrade.shrink(image, rng)
    if rng.random() < 0.15:
        image = degrade.compress(image, rng)
    eyes = interocular(keypoints)
    keypoints = keypoints + rng.normal(0, 0.035 * eyes, (5, 2)) + rng.normal(0, 0.025 * eyes, 2)
    target = (TEMPLATE - 56) * np.exp(rng.normal(0, 0.035)) + 56
    matrix = similarity(keypoints[None], target)[0]
    crop = cv2.warpAffine(image, matrix, (CROP, CROP), borderValue=(0, 0, 0))
    if rng.random() < 0.8:
        crop = degrade.recolour(crop, rng, 0.8)
    if rng.random() < 0.25:
        crop = degrade.relight(crop, rng, 0.3)
    if rng.random() < 0.1:
        crop = degrade.grey(crop)
    if rng.random() < 0.3:
        crop = degrade.blur(crop, rng)
    if rng.random() < 0.4:
        crop = degrade.grain(crop, rng)
    if rng.random() < 0.15:
        height, width, y, x = *rng.integers(12, 45, 2), *rng.integers(0, CROP - 12, 2)
        crop[y : y + height, x : x + width] = rng.integers(0, 256, 3)
    return crop


def learning_rate(step: int, steps: int, peak: float = 2e-3, warm: int = 40) -> float:
    """Warm-up, then a cosine to nearly nothing."""
    if step < warm:
        return peak * (step + 1) / warm
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1, (step - warm) / max(1, steps - warm)))))


def to_tensor(crops: np.ndarray) -> torch.Tensor:
    return (torch.from_numpy(crops).permute(0, 3, 1, 2).float() - 127.5) / 127.5


class Training:
    """The state of one training run; saved as a whole so that a stop costs little."""

    def __init__(
        self, faces: Faces, *, seed: int, steps: int, batch: int, codec: bool = True, net: str = "plain"
    ) -> None:
        """net: one of `recogniser_nets.NETS`."""
        torch.manual_seed(seed)
        self.faces, self.seed, self.steps, self.batch, self.step = faces, seed, steps, batch, 0
        self.codec = degrade.PatchCodec(faces.images[0], seed=seed) if codec else None
        self.classes, self.labels = np.unique(faces.people, return_inverse=True)
        self.net, self.arc = NETS[net](), ArcFace(len(self.classes))
        self.optimizer = torch.optim.AdamW(
            [{"params": self.net.parameters(), "weight_decay": 5e-2}, {"params": self.arc.parameters()}], lr=2e-3
        )

    def draw_batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        rng = np.random.default_rng([self.seed, self.step])
        chosen = np.sort(rng.integers(0, len(self.faces), self.batch))
        crops = [training_crop(self.faces.image(i), self.faces.keypoints[i], self.codec, rng) for i in chosen]
        return to_tensor(np.stack(crops)), torch.from_numpy(self.labels[chosen])

    def advance(self) -> float:
        """One step; returns the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.steps)
        crops, people = self.draw_batch()
        margin = MARGIN * min(1.0, max(0.0, self.step / self.steps - 0.1) / 0.3)
        self.net.train()
        with torch.autocast("cpu", torch.bfloat16):
            embeddings = self.net(crops)
        loss = self.arc(embeddings.float(), people, margin)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.step += 1
        return loss.item()

    def save(self, path: Path) -> None:
        state = {"net": self.net.state_dict(), "arc": self.arc.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save({**state, "step": self.step, "steps": self.steps}, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.arc.load_state_dict(state["arc"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


def export(net: FaceNet, pack: Path) -> Path:
    """rec.onnx in `pack`: one input data (batch, 3, 112, 112), one output embedding (batch, 512)."""
    path = pack / RECOGNISER_FILE
    axes = {"data": {0: "batch"}, "embedding": {0: "batch"}}
    example = torch.zeros(2, 3, CROP, CROP)
    export_onnx(net, example, path, input_name="data", output_names=["embedding"], dynamic_axes=axes)
    return path


def verification(embeddings: np.ndarray, people: np.ndarray) -> dict[str, float]:
    """Mean cosine of two shots of one person, of two people, and how often the nearest other shot is the same person.

    rank-1 here searches all shots of everybody; `reference` compares with the first shot of each person only.
    """
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosine = unit @ unit.T
    same = people[:, None] == people[None]
    others = ~np.eye(len(people), dtype=bool)
    first = np.unique(people, return_index=True)[1]
    rest = np.setdiff1d(np.arange(len(people)), first)
    nearest = people[first][cosine[np.ix_(rest, first)].argmax(axis=1)]
    return {
        "same": float(cosine[same & others].mean()),
        "different": float(cosine[~same].mean()),
        "rank1": float((people[np.where(others, cosine, -2).argmax(axis=1)] == people).mean()),
        "reference_rank1": float((nearest == people[rest]).mean()),
        "norm": float(np.linalg.norm(embeddings, axis=1).mean()),
    }


def measure(pack: Path, faces: Faces, codec: degrade.PatchCodec | None = None, rank: int = 32) -> dict[str, float]:
    """`verification` of a pack on drawn people at their true keypoints, straight or through a patch code."""
    rng = np.random.default_rng(0)
    images = (faces.image(i) for i in range(len(faces)))
    if codec is not None:
        images = (codec(image, rank, rng) for image in images)
    return verification(Recogniser(pack).embed_faces(images, faces.keypoints), faces.people)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--net", choices=list(NETS), default="plain", help="the architecture")
    parser.add_argument("--out", type=Path, required=True, help="folder for drawings, checkpoint and rec.onnx")
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--every", type=int, default=150, help="steps between checkpoints")
    parser.add_argument("--data", type=Path, help="folder for the drawings (default: inside --out)")
    parser.add_argument("--people", type=int, default=PEOPLE, help="people to learn from, where they are not drawn yet")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    data = options.data or options.out
    faces, unseen = training_faces(data, options.people), unseen_faces(data, options.people // UNSEEN)
    checkpoint = options.out / "recogniser.pt"
    made_of = {name: getattr(options, name) for name in ("seed", "net", "steps", "batch")} | {"faces": faces.digest}
    cure = f"Give --out another folder, or remove {checkpoint} to begin again."
    claim(options.out / "run.json", made_of, taken=checkpoint if checkpoint.exists() else None, cure=cure)
    training = Training(faces, seed=options.seed, steps=options.steps, batch=options.batch, net=options.net)
    if checkpoint.exists():
        training.load(checkpoint)
    begin, mean = time.monotonic(), 0.0
    while training.step < options.steps:
        loss = training.advance()
        mean = loss if mean == 0 else 0.97 * mean + 0.03 * loss
        if training.step % options.every == 0 or training.step == options.steps:
            training.save(checkpoint)
            export(training.net, options.out)
            found = measure(options.out, unseen)
            told = " ".join(f"{name} {value:.3f}" for name, value in found.items())
            print(f"step {training.step} loss {mean:.3f} {told} {time.monotonic() - begin:.0f} s", flush=True)
    export(training.net, options.out)
    print("unseen people", measure(options.out, unseen))
    print("through the patch code", measure(options.out, unseen, training.codec))


if __name__ == "__main__":
    main()
