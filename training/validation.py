"""Looking at a run: the loss on held-out photos, and pictures of them whose likeness and pose are measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image

from face.analyzer import FaceAnalyzer
from face.face import similarity
from face.keypoints import keypoint_error
from training.examples import HeldOut, collate
from training.task import Task


@torch.no_grad()
def held_out_loss(task: Task, photos: HeldOut, batch: int, accelerator: Accelerator) -> float:
    """Mean loss over fixed photos, noise and steps; the processes share the work."""
    places = np.argsort(photos.buckets, kind="stable")
    parts = [
        part[at : at + batch]
        for part in np.split(places, np.flatnonzero(np.diff(photos.buckets[places])) + 1)
        for at in range(0, len(part), batch)
    ]
    total = torch.zeros((), device=accelerator.device)
    for part in parts[accelerator.process_index :: accelerator.num_processes]:
        examples = collate([photos[int(place)] for place in part])
        with accelerator.autocast():
            total += task.loss(_moved(examples, accelerator.device)).float().sum()
    return float(accelerator.reduce(total, "sum").item()) / len(photos)


@torch.no_grad()
def make_pictures(
    task: Task, photos: HeldOut, count: int, analyzer: FaceAnalyzer, accelerator: Accelerator, seed: int
) -> tuple[dict[str, float], Image.Image]:
    """Make pictures of the first held-out photos' people, in the photos' poses and words.

    Returns:
        `identity`, the mean cosine of made to given face (0 where none is found), `found`, the share with a face, and
        `keypoint_error` over the inter-ocular distance where there is one; and a sheet with photo, landmarks and made
        picture in each row.
    """
    pipeline, options = task.networks.pipeline, dict(task.sampling())
    usual, scheduler = pipeline.scheduler, options.pop("scheduler", None)
    likeness, errors, rows = [], [], []
    try:
        if scheduler is not None:
            pipeline.scheduler = scheduler
        for place in range(min(count, len(photos))):
            example = photos[place]
            landmarks = _picture(example["landmarks"])
            with accelerator.autocast():
                made = pipeline(
                    example["caption"],
                    negative_prompt="",
                    image=landmarks,
                    image_embeds=example["face"],
                    generator=torch.Generator().manual_seed(seed + place),
                    output_type="np",
                    **options,
                ).images[0]
            picture = Image.fromarray((np.nan_to_num(made) * 255).round().astype(np.uint8))
            faces = analyzer.find(picture)
            likeness.append(similarity(faces[0].embedding, example["face"].numpy()) if faces else 0.0)
            if faces:
                errors.append(keypoint_error(faces[0].keypoints, example["keypoints"].numpy()))
            rows.append([_picture((example["pixels"] + 1) / 2), landmarks, picture])
    finally:
        pipeline.scheduler = usual
        pipeline.set_ip_adapter_scale(1.0)
    numbers = {"identity": float(np.mean(likeness)), "found": len(errors) / len(rows)}
    if errors:
        numbers["keypoint_error"] = float(np.mean(errors))
    return numbers, _sheet(rows)


def _moved(examples: dict[str, Any], device: torch.device) -> dict[str, Any]:
    return {kind: each.to(device) if isinstance(each, torch.Tensor) else each for kind, each in examples.items()}


def _picture(tensor: torch.Tensor) -> Image.Image:
    """RGB picture of a tensor (3, h, w) in 0..1."""
    return Image.fromarray((tensor.permute(1, 2, 0).numpy() * 255).round().clip(0, 255).astype(np.uint8))


def _sheet(rows: list[list[Image.Image]]) -> Image.Image:
    width = max(sum(picture.width for picture in row) for row in rows)
    sheet = Image.new("RGB", (width, sum(row[0].height for row in rows)))
    top = 0
    for row in rows:
        left = 0
        for picture in row:
            sheet.paste(picture, (left, top))
            left += picture.width
        top += row[0].height
    return sheet
