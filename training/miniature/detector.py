"""Trains the miniature's face detector: where faces are, and their eyes, noses and mouth corners.

    OMP_NUM_THREADS=1 python -m training.miniature.detector --seed 0 --out runs/detector

The training pictures are drawn faces as the product makes them, and the same faces and sculpted heads scattered over
photographs, scenes and noise (scenes.py). No photograph of a face is used. The weights that are exported are an
exponential average of the trained ones.
"""

import argparse
import copy
import math
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import torch

from training.miniature.alignment import interocular
from training.miniature.claims import claim, fingerprint
from training.miniature.detector_net import (
    STRIDES,
    FaceDetector,
    InsightfaceForm,
    detection_loss,
    make_targets,
    refinement_loss,
)
from training.miniature.draw import render_place
from training.miniature.export import export_onnx
from training.miniature.face_pack import DET_SIZE, DETECTOR_FILE, open_detector
from training.miniature.faces import UNSEEN, Faces, training_faces, unseen_faces
from training.miniature.reopen import reopen
from training.miniature.scenes import SceneMaker, Sources, prepare_sources
from training.miniature.shot import Shot

PEOPLE = 6000
CRISP, HEADS, EMPTY = 0.25, 2 / 3, 0.1  # faces of 256 px, sculpted heads and empty places, for each person


def learning_rate(step: int, steps: int, peak: float = 2e-3, warm: int = 100) -> float:
    """Warm-up, a flat first third, then a cosine to nearly nothing."""
    if step < warm:
        return peak * (step + 1) / warm
    share = max(0.0, step / steps - 0.33) / 0.67
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))


class Training:
    """The state of one training run; saved as a whole so that a stop costs little."""

    def __init__(self, sources: Sources, *, seed: int, steps: int, batch: int, side: int = DET_SIZE) -> None:
        torch.manual_seed(seed)
        self.maker = SceneMaker(sources, side)
        self.seed, self.steps, self.batch, self.side, self.step = seed, steps, batch, side, 0
        self.net = FaceDetector().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.mean = copy.deepcopy(self.net)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=2e-3, weight_decay=2e-2)

    def begin_from(self, path: Path) -> None:
        """Take the weights of an exported det.onnx."""
        with torch.no_grad():
            pictures = torch.cat([self.draw_batch()[0] for self.step in range(4)])
        self.step = 0
        reopen(self.net, path, pictures.contiguous(memory_format=torch.channels_last))
        self.mean.load_state_dict(self.net.state_dict())

    def draw_batch(self) -> tuple[torch.Tensor, list[np.ndarray]]:
        rng = np.random.default_rng([self.seed, self.step])
        made = [self.maker.make(rng) for _ in range(self.batch)]
        pictures = torch.from_numpy(np.stack([image for image, _ in made])).permute(0, 3, 1, 2)
        return (pictures.float() - 127.5) / 128, [faces for _, faces in made]

    def advance(self) -> dict[str, float]:
        """One step; returns the parts of the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.steps)
        pictures, faces = self.draw_batch()
        targets = make_targets(faces, self.side, self.side)
        self.net.train()
        with torch.autocast("cpu", torch.bfloat16):
            answers, field = self.net(pictures.contiguous(memory_format=torch.channels_last))
        losses = detection_loss(answers, targets)
        losses["refined"] = refinement_loss(field, faces, np.random.default_rng([self.seed, self.step, 1]))
        self.optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimizer.step()
        self.step += 1
        self._average()
        return {name: loss.item() for name, loss in losses.items()}

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(0.998, 1 - 1 / (1 + self.step / 4))
        for average, value in zip(self.mean.state_dict().values(), self.net.state_dict().values(), strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1 - keep)
            else:
                average.copy_(value)

    def save(self, path: Path) -> None:
        parts = {"net": self.net.state_dict(), "mean": self.mean.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save({**parts, "step": self.step}, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.mean.load_state_dict(state["mean"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


def export(net: FaceDetector, pack: Path) -> Path:
    """det.onnx in `pack`, in the form that insightface's SCRFD reads, for any size that 32 divides."""
    path = pack / DETECTOR_FILE
    names = [f"{kind}_{stride}" for kind in ("score", "bbox", "kps") for stride in STRIDES]
    axes = {name: {0: f"cells_{name}"} for name in names}
    axes["input.1"] = {2: "height", 3: "width"}
    form = InsightfaceForm(copy.deepcopy(net).to(memory_format=torch.contiguous_format))  # type: ignore[call-overload]
    export_onnx(
        form, torch.zeros(1, 3, DET_SIZE, DET_SIZE), path, input_name="input.1", output_names=names, dynamic_axes=axes
    )
    return path


def measure(pack: Path, faces: Faces, empty: np.ndarray, det_size: int = DET_SIZE) -> dict[str, float]:
    """The detector as insightface runs it, on single drawn faces and on pictures without one.

    found: share of faces whose best detection has a keypoint error under .3; error: mean keypoint distance of those
    over the inter-ocular distance (median beside it); extra: detections beyond one, a picture; false: detections in an
    empty picture.
    """
    detector = open_detector(pack, det_size)
    errors, extra = [], 0
    for i, wanted in enumerate(faces.keypoints):
        boxes, keypoints = detector.detect(np.ascontiguousarray(faces.image(i)[..., ::-1]))
        extra += max(0, len(boxes) - 1)
        if len(boxes):
            distance = np.linalg.norm(keypoints[boxes[:, 4].argmax()] - wanted, axis=1).mean()
            errors.append(float(distance / interocular(wanted)))
    known = np.array([error for error in errors if error < 0.3] or [np.nan])
    false = sum(len(detector.detect(np.ascontiguousarray(image[..., ::-1]))[0]) for image in empty)
    return {
        "found": float((np.array(errors) < 0.3).sum() / len(faces)),
        "error": float(known.mean()),
        "median": float(np.median(known)),
        "extra": extra / len(faces),
        "false": false / max(1, len(empty)),
    }


def empty_places(count: int = 60, seed: int = 0) -> np.ndarray:
    """Scenes of the drawn world with nobody in them, other ones than the training draws: (count, 128, 128, 3)."""
    rng = np.random.default_rng([seed, 4242])
    return np.stack([render_place(Shot.sample(rng, scene_share=0.85)) for _ in range(count)])


def draw_detections(pack: Path, image: np.ndarray, det_size: int = DET_SIZE) -> tuple[np.ndarray, np.ndarray]:
    """A picture (h, w, 3) uint8 RGB with what was found drawn in, and the boxes with scores (n, 5)."""
    boxes, keypoints = open_detector(pack, det_size).detect(np.ascontiguousarray(image[..., ::-1]))
    shown = np.array(image)
    for box, points in zip(boxes, keypoints, strict=True):
        cv2.rectangle(shown, box[:2].astype(int).tolist(), box[2:4].astype(int).tolist(), (0, 255, 0), 1)
        for point in points:
            cv2.circle(shown, point.astype(int).tolist(), 2, (255, 0, 0), -1)
    return shown, boxes


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder for drawings, checkpoint and det.onnx")
    parser.add_argument("--steps", type=int, default=5700)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--every", type=int, default=250, help="steps between checkpoints")
    parser.add_argument("--data", type=Path, help="folder for the drawings (default: inside --out)")
    parser.add_argument("--start", type=Path, help="go on from this det.onnx instead of from nothing")
    parser.add_argument("--people", type=int, default=PEOPLE, help="people to learn from, where they are not drawn yet")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    data = options.data or options.out
    drawn, unseen = training_faces(data, options.people), unseen_faces(data, options.people // UNSEEN)
    unseen = unseen.pick(np.arange(0, len(unseen), 4))
    crisp, heads, places = (max(1, round(share * options.people)) for share in (CRISP, HEADS, EMPTY))
    sources = prepare_sources(data, drawn, crisp=crisp, heads=heads, places=places, seed=options.seed)
    empty = empty_places(seed=options.seed)
    training = Training(sources, seed=options.seed, steps=options.steps, batch=options.batch)
    checkpoint = options.out / "detector.pt"
    made_of = {name: getattr(options, name) for name in ("seed", "steps", "batch")}
    made_of |= {"faces": drawn.digest, "sculpted": sources.sculpted.digest}
    made_of["start"] = None if options.start is None else fingerprint(options.start)
    cure = f"Give --out another folder, or remove {checkpoint} to begin again."
    claim(options.out / "run.json", made_of, taken=checkpoint if checkpoint.exists() else None, cure=cure)
    if checkpoint.exists():
        training.load(checkpoint)
    elif options.start is not None:
        training.begin_from(options.start)
    begin, means = time.monotonic(), {}
    while training.step < options.steps:
        for name, loss in training.advance().items():
            means[name] = 0.98 * means.get(name, loss) + 0.02 * loss
        if training.step % options.every == 0 or training.step == options.steps:
            training.save(checkpoint)
            export(training.mean, options.out)
            found = measure(options.out, unseen, empty)
            shown, boxes = draw_detections(options.out, skimage.data.astronaut())
            cv2.imwrite(str(options.out / "astronaut.png"), np.ascontiguousarray(shown[..., ::-1]))
            told = " ".join(f"{name} {value:.3f}" for name, value in {**means, **found}.items())
            scores = " ".join(f"{score:.2f}" for score in boxes[:, 4])
            print(f"step {training.step} {told} astronaut [{scores}] {time.monotonic() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main()
