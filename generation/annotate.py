"""What a ControlNet reads of a picture: its edges, its depth, the poses of its people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from errors import RequestError

CANNY_LOW, CANNY_HIGH = 100, 200
"""Hysteresis thresholds of the gradient, the pair that the published nets' examples use."""

SURE = 0.3
"""Confidence from which a joint is drawn."""

PERSON = 0
"""The detector's label of people (COCO)."""

# Joints in OpenPose's order: nose, neck, then right and left shoulder, elbow, wrist, right and left hip, knee, ankle,
# right and left eye, right and left ear; which of COCO's 17 each is. The neck is the middle of the shoulders.
FROM_COCO = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
NECK, SHOULDERS = 1, (2, 5)
LIMBS = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10)),
    *((1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
# OpenPose's colours go once around the colour circle, joint by joint.
COLOURS = (
    *((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0)),
    *((0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255)),
    *((0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85)),
)
LIMB_BRIGHTNESS = 0.6
THICKNESS = 4 / 512
"""Half width of a limb and radius of a joint over the shorter side: OpenPose draws 4 px at 512."""


Annotator = Callable[..., Image.Image]
"""From a picture (RGB) and the folders of the profile's annotators to what the net reads, RGB of the same size."""


def letterboxed(
    picture: Image.Image, size: tuple[int, int], annotate: Callable[[Image.Image], Image.Image]
) -> Image.Image:
    """What `annotate` makes of a picture fitted into `size` (width, height) without distortion, on black, centred."""
    factor = min(size[0] / picture.width, size[1] / picture.height)
    fitted = picture.convert("RGB").resize(
        (max(1, round(picture.width * factor)), max(1, round(picture.height * factor))), Image.Resampling.LANCZOS
    )
    canvas = Image.new("RGB", size)
    canvas.paste(annotate(fitted), ((size[0] - fitted.width) // 2, (size[1] - fitted.height) // 2))
    return canvas


def canny(picture: Image.Image) -> Image.Image:
    """Edges, white on black (Canny 1986)."""
    edges = cv2.Canny(np.asarray(picture.convert("RGB")), CANNY_LOW, CANNY_HIGH)
    return Image.fromarray(edges).convert("RGB")


def depth(picture: Image.Image, folder: Path) -> Image.Image:
    """Depth, near is white, stretched to the whole range.

    Args:
        folder: of a DepthAnythingForDepthEstimation with its image processor.
    """
    import torch
    from transformers import DepthAnythingForDepthEstimation, DPTImageProcessorPil

    model = _model(DepthAnythingForDepthEstimation, folder)
    processor = DPTImageProcessorPil.from_pretrained(folder, local_files_only=True)
    with torch.no_grad():
        output = model(**processor(images=picture.convert("RGB"), return_tensors="pt"))
    (found,) = processor.post_process_depth_estimation(output, target_sizes=[(picture.height, picture.width)])
    near = np.asarray(found["predicted_depth"])
    span = float(np.ptp(near)) or 1.0
    return Image.fromarray(np.rint((near - near.min()) / span * 255).astype(np.uint8)).convert("RGB")


def pose(picture: Image.Image, detector: Path, joints: Path) -> Image.Image:
    """The poses of all people, as OpenPose draws them.

    Args:
        detector: folder of an RTDetrForObjectDetection.
        joints: folder of a VitPoseForPoseEstimation that knows COCO's 17 joints.

    Raises RequestError when nobody is found.
    """
    boxes = _people(picture, detector)
    if len(boxes) == 0:
        raise RequestError(
            "Nobody was found in the picture of the control pose.",
            field="controls",
            cure="Give a picture that shows a person.",
        )
    return draw_skeletons(_joints(picture, boxes, joints), picture.size)


def _people(picture: Image.Image, folder: Path) -> np.ndarray:
    """(people, 4) x, y, width, height px."""
    import torch
    from transformers import RTDetrForObjectDetection, RTDetrImageProcessorPil

    model = _model(RTDetrForObjectDetection, folder)
    processor = RTDetrImageProcessorPil.from_pretrained(folder, local_files_only=True)
    with torch.no_grad():
        output = model(**processor(images=picture.convert("RGB"), return_tensors="pt"))
    (found,) = processor.post_process_object_detection(
        output, threshold=SURE, target_sizes=[(picture.height, picture.width)]
    )
    boxes = found["boxes"][found["labels"] == PERSON].numpy()
    boxes[:, 2:] -= boxes[:, :2]
    return boxes


def _joints(picture: Image.Image, boxes: np.ndarray, folder: Path) -> np.ndarray:
    """(people, 17, 3) x, y px and confidence, in COCO's order."""
    import torch
    from transformers import VitPoseForPoseEstimation, VitPoseImageProcessorPil

    model = _model(VitPoseForPoseEstimation, folder)
    processor: Any = VitPoseImageProcessorPil.from_pretrained(folder, local_files_only=True)
    with torch.no_grad():
        output = model(**processor(images=picture.convert("RGB"), boxes=[boxes], return_tensors="pt"))
    (people,) = processor.post_process_pose_estimation(output, boxes=[boxes])
    return np.stack(
        [np.concatenate([one["keypoints"].numpy(), one["scores"].numpy()[:, None]], axis=1) for one in people]
    )


def _model(kind: Any, folder: Path) -> Any:
    return kind.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()


def draw_skeletons(people: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """Skeletons in OpenPose's colours on black, RGB of `size` (width, height).

    Args:
        people: (people, 17, 3) x, y px and confidence, in COCO's order; joints that are not sure are left out.
    """
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    radius = max(1, round(THICKNESS * min(size)))
    skeletons = [_openpose(joints) for joints in people]
    for joints in skeletons:
        for (first, second), colour in zip(LIMBS, COLOURS, strict=False):
            if joints[first, 2] >= SURE and joints[second, 2] >= SURE:
                _limb(canvas, joints[first, :2], joints[second, :2], radius, colour)
    canvas = (canvas * LIMB_BRIGHTNESS).astype(np.uint8)
    for joints in skeletons:
        for (x, y, sure), colour in zip(joints, COLOURS, strict=True):
            if sure >= SURE:
                cv2.circle(canvas, (round(float(x)), round(float(y))), radius, colour, cv2.FILLED)
    return Image.fromarray(canvas)


def _openpose(joints: np.ndarray) -> np.ndarray:
    """COCO's 17 joints as OpenPose's 18, (18, 3)."""
    placed = np.zeros((len(FROM_COCO), 3))
    for number, source in enumerate(FROM_COCO):
        if source is not None:
            placed[number] = joints[source]
    shoulders = placed[list(SHOULDERS)]
    placed[NECK] = [*shoulders[:, :2].mean(axis=0), shoulders[:, 2].min()]
    return placed


def _limb(canvas: np.ndarray, first: np.ndarray, second: np.ndarray, radius: int, colour: tuple[int, ...]) -> None:
    middle, along = (first + second) / 2, second - first
    outline = cv2.ellipse2Poly(
        (round(float(middle[0])), round(float(middle[1]))),
        (max(1, round(float(np.linalg.norm(along)) / 2)), radius),
        round(float(np.degrees(np.arctan2(along[1], along[0])))),
        0,
        360,
        1,
    )
    cv2.fillConvexPoly(canvas, np.array(outline), colour)


ANNOTATORS: dict[str, Annotator] = {"pose": pose, "canny": canny, "depth": depth}
