"""The detector: an SCRFD-like net (Guo et al. 2021, arXiv:2105.04714) with five keypoints, and its targets.

A face is described by its keypoints alone: the similarity that carries the ArcFace template onto them gives its
centre, its size (112 template pixels) and its box, so that drawn, pasted and turned faces share one rule.

The keypoints that a cell regresses are only near: a field of offsets at stride 8 then says, at each of those places,
how far and in which direction the true point lies. Both steps are in the exported graph.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from training.miniature.alignment import TEMPLATE, similarity

STRIDES = (8, 16, 32)
ANCHORS = 2
VALUES = 15
# Face sizes in pixels that each anchor answers for; neighbours overlap.
RANGES = (((11.0, 24.0), (20.0, 40.0)), ((34.0, 66.0), (56.0, 145.0)), ((120.0, 190.0), (165.0, 300.0)))
_CENTRE = np.array([56.0, 62.0], np.float32)
_HALF = np.array([44.0, 58.0], np.float32)
_REACH = 0.75
# Taken off the score logits of the smallest anchor: below 24 px faces are of no use and specks look like them.
_DOUBT = 1.5


def base_size(level: int, anchor: int) -> float:
    """The face size, px, in whose units an anchor predicts."""
    low, high = RANGES[level][anchor]
    return float(np.sqrt(low * high))


def face_frames(keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, 5, 2) x, y px -> sizes (n,) px, centres (n, 2), boxes (n, 4) left, top, right, bottom."""
    matrices = similarity(np.broadcast_to(TEMPLATE, (len(keypoints), 5, 2)), keypoints)
    scale = np.hypot(matrices[:, 0, 0], matrices[:, 1, 0])
    centres = matrices[:, :, :2] @ _CENTRE + matrices[:, :, 2]
    half = scale[:, None] * _HALF
    return scale * 112, centres, np.concatenate([centres - half, centres + half], axis=1)


def _layer(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _layer(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.second(self.first(x)))


class FaceDetector(nn.Module):
    """(n, 3, h, w) RGB, (x - 127.5) / 128, sides multiples of 32 -> answers and field.

    answers, per stride (n, 2, 15, h / stride, w / stride): score logit, four box edges and ten keypoint coordinates
    relative to the cell's middle, in units of the anchor's base size. field (n, 10, h / 8, w / 8): from each cell's
    middle to each kind of keypoint nearby, in units of 8 px.
    """

    def __init__(self, widths: tuple[int, ...] = (16, 24, 48, 80, 112), pyramid: int = 48, head: int = 64) -> None:
        super().__init__()
        a, b, c, d, e = widths
        self.stem = nn.Sequential(_layer(3, a, 2), _layer(a, b, 2))
        self.fine = nn.Sequential(_layer(b, c, 2), Residual(c))
        self.middle = nn.Sequential(_layer(c, d, 2), Residual(d), Residual(d))
        self.coarse = nn.Sequential(_layer(d, e, 2), Residual(e))
        self.bridges = nn.ModuleList(nn.Conv2d(width, pyramid, 1) for width in (c, d, e))
        self.smooth = nn.ModuleList(_layer(pyramid, head) for _ in STRIDES)
        self.deep = nn.ModuleList([nn.Identity(), _layer(head, head), _layer(head, head)])
        self.out = nn.ModuleList(nn.Conv2d(head, ANCHORS * VALUES, 1) for _ in STRIDES)
        self.locate = nn.Sequential(_layer(head, head), nn.Conv2d(head, 10, 1))
        start = np.concatenate(
            [[-4.0], (np.stack([-_HALF, _HALF]).ravel()) / 112, ((TEMPLATE - _CENTRE) / 112).ravel()]
        )
        for layer in self.out:
            assert isinstance(layer, nn.Conv2d) and layer.bias is not None
            nn.init.normal_(layer.weight, std=0.01)
            layer.bias.data.copy_(torch.from_numpy(np.tile(start, ANCHORS)))

    def forward(self, pictures: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        fine = self.fine(self.stem(pictures))
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        levels = [bridge(x) for bridge, x in zip(self.bridges, (fine, middle, coarse), strict=True)]
        levels[1] = levels[1] + F.interpolate(levels[2], scale_factor=2.0, mode="nearest")
        levels[0] = levels[0] + F.interpolate(levels[1], scale_factor=2.0, mode="nearest")
        levels = [smooth(x) for smooth, x in zip(self.smooth, levels, strict=True)]
        answers = []
        for x, deep, out in zip(levels, self.deep, self.out, strict=True):
            y = out(deep(x))
            answers.append(y.view(y.shape[0], ANCHORS, VALUES, y.shape[2], y.shape[3]))
        return answers, self.locate(levels[0])


def follow(field: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Keypoints (n, m, 5, 2) px moved by what the field (n, 10, h, w) says where they are."""
    side = STRIDES[0]
    size = torch.stack([torch.ones_like(field[:1, :1, :1]).sum(), torch.ones_like(field[:1, :1, :, :1]).sum()]) * side
    grid = points / size * 2 - 1
    moves = [
        F.grid_sample(field[:, 2 * k : 2 * k + 2], grid[:, :, k : k + 1], padding_mode="border", align_corners=False)
        for k in range(5)
    ]
    return points + side * torch.cat(moves, dim=3).permute(0, 2, 3, 1)


class InsightfaceForm(nn.Module):
    """The nine outputs that insightface's SCRFD reads: scores, boxes and keypoints of strides 8, 16, 32.

    Scores are probabilities; boxes are distances left, top, right, bottom and keypoints are offsets from the cell's
    corner, both in strides; cells row by row with the anchors innermost.
    """

    def __init__(self, detector: FaceDetector) -> None:
        super().__init__()
        self.detector = detector
        for level, stride in enumerate(STRIDES):
            unit = np.array([base_size(level, anchor) / stride for anchor in range(ANCHORS)], np.float32)
            self.register_buffer(f"unit{level}", torch.from_numpy(unit)[None, :, None, None, None])
            doubt = torch.tensor([_DOUBT if (level, anchor) == (0, 0) else 0.0 for anchor in range(ANCHORS)])
            self.register_buffer(f"doubt{level}", doubt[None, :, None, None, None])
        self.register_buffer("sign", torch.tensor([-1.0, -1.0, 1.0, 1.0])[None, None, :, None, None])

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """One picture (1, 3, h, w) -> scores (cells, 1), boxes (cells, 4), keypoints (cells, 10) of each stride."""
        scores, boxes, points = [], [], []
        answers, field = self.detector(pictures)
        for level, (values, stride) in enumerate(zip(answers, STRIDES, strict=True)):
            places = values[:, :, 1:] * getattr(self, f"unit{level}")
            scores.append(_rows(torch.sigmoid(values[:, :, :1] - getattr(self, f"doubt{level}")), 1))
            boxes.append(_rows((places[:, :, :4] + 0.5) * self.sign, 4))
            ones = torch.ones_like(values[:, :, :1])
            corner = _rows(torch.cat([ones.cumsum(4) - 1, ones.cumsum(3) - 1], dim=2), 2)[None, :, None]
            near = _rows(places[:, :, 4:] + 0.5, 10).reshape(1, -1, 5, 2) + corner
            exact = follow(field, follow(field, near * stride))
            points.append((exact / stride - corner).reshape(-1, 10))
        return (*scores, *boxes, *points)


def _rows(values: torch.Tensor, width: int) -> torch.Tensor:
    return values.permute(0, 3, 4, 1, 2).reshape(-1, width)


@dataclass(frozen=True, eq=False)
class Targets:
    """Per stride: wanted score (n, 2, h, w), its weight, and for the listed cells the 14 places and their weight."""

    scores: list[torch.Tensor]
    weights: list[torch.Tensor]
    cells: list[tuple[torch.Tensor, ...]]
    places: list[torch.Tensor]
    shares: list[torch.Tensor]
    sizes: list[torch.Tensor]


def make_targets(faces: list[np.ndarray], height: int, width: int) -> Targets:
    """faces: per picture (m, 5, 2) keypoints in px of the net's input. Faces smaller than all ranges are ignored."""
    scores, weights, cells, places, shares, sizes = [], [], [], [], [], []
    frames = [face_frames(points) if len(points) else None for points in faces]
    for level, stride in enumerate(STRIDES):
        rows, columns = height // stride, width // stride
        wanted = np.zeros((len(faces), ANCHORS, rows, columns), np.float32)
        weight = np.ones_like(wanted)
        owner: dict[tuple[int, int, int, int], tuple[float, np.ndarray, float]] = {}
        for n, frame in enumerate(frames):
            if frame is None:
                continue
            for size, centre, box, points in zip(*frame, faces[n], strict=True):
                x, y = centre / stride
                left, top = max(0, int(x - 2.5)), max(0, int(y - 2.5))
                right, bottom = min(columns, int(x + 2.5) + 1), min(rows, int(y + 2.5) + 1)
                if right <= left or bottom <= top:
                    continue
                grid_x = np.arange(left, right) + 0.5 - x
                grid_y = np.arange(top, bottom) + 0.5 - y
                near = np.exp(-(grid_y[:, None] ** 2 + grid_x[None] ** 2) / (2 * _REACH**2))
                for anchor in range(ANCHORS):
                    low, high = RANGES[level][anchor]
                    patch = (n, anchor, slice(top, bottom), slice(left, right))
                    if not low <= size <= high:
                        if 0.8 * low < size < 1.25 * high:
                            weight[patch] = np.where(near > 0.2, 0, weight[patch])
                        continue
                    wanted[patch] = np.maximum(wanted[patch], near)
                    base = base_size(level, anchor)
                    for i, j in zip(*np.nonzero(near > 0.35), strict=True):
                        key = (n, anchor, top + i, left + j)
                        if key in owner and owner[key][0] >= near[i, j]:
                            continue
                        cell = np.tile([(left + j + 0.5) * stride, (top + i + 0.5) * stride], 7)
                        owner[key] = (near[i, j], (np.concatenate([box, points.ravel()]) - cell) / base, size / base)
        found = list(owner.items())
        scores.append(torch.from_numpy(wanted))
        weights.append(torch.from_numpy(weight))
        cells.append(tuple(torch.tensor([key[k] for key, _ in found], dtype=torch.long) for k in range(4)))
        places.append(torch.from_numpy(np.array([v[1] for _, v in found], np.float32).reshape(-1, 14)))
        shares.append(torch.tensor([v[0] for _, v in found], dtype=torch.float32))
        sizes.append(torch.tensor([v[2] for _, v in found], dtype=torch.float32))
    return Targets(scores, weights, cells, places, shares, sizes)


def refinement_loss(field: torch.Tensor, faces: list[np.ndarray], rng: np.random.Generator) -> torch.Tensor:
    """How far off the field leaves keypoints that start a little off: smooth L1 in eye distances, times 5.

    faces: as for `make_targets`; each is tried from four random starts about as far off as the regression is.
    """
    most, starts = max(1, *(len(points) for points in faces)), 4
    begin = np.full((len(faces), most, starts, 5, 2), 4.0, np.float32)
    wanted, share = np.zeros_like(begin), np.zeros((len(faces), most, 1, 1, 1), np.float32)
    for n, points in enumerate(faces):
        if len(points):
            eyes = 0.3146 * face_frames(points)[0].astype(np.float32)[:, None, None, None]
            noise = 0.09 * rng.standard_normal((len(points), starts, 5, 2)) + 0.07 * rng.standard_normal(
                (len(points), starts, 1, 2)
            )
            begin[n, : len(points)] = points[:, None] + eyes * noise
            wanted[n, : len(points)] = points[:, None]
            share[n, : len(points)] = 1 / eyes
    flat = (len(faces), most * starts, 5, 2)
    found = follow(field.float(), torch.from_numpy(begin.reshape(flat))).view(begin.shape)
    error = (found - torch.from_numpy(wanted)) * torch.from_numpy(share)
    count = max(1, int((share > 0).sum())) * starts * 10
    return 5.0 * F.smooth_l1_loss(error, torch.zeros_like(error), beta=0.04, reduction="sum") / count


def detection_loss(answers: list[torch.Tensor], targets: Targets) -> dict[str, torch.Tensor]:
    """Score, box and keypoint losses; the sum is trained.

    Scores: quality focal loss. Places: smooth L1 on errors in units of the eye distance (about .31 of the size).
    """
    total = max(1.0, sum(float(wanted.sum()) for wanted in targets.scores))
    score = torch.zeros(())
    box = torch.zeros(())
    points = torch.zeros(())
    share = 0.0
    for level, values in enumerate(answers):
        values = values.float()
        logits = values[:, :, 0]
        wanted, weight = targets.scores[level], targets.weights[level]
        focus = (wanted - logits.detach().sigmoid()).abs() ** 1.5
        score = score + (weight * focus * F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")).sum()
        if len(targets.shares[level]) == 0:
            continue
        n, anchor, row, column = targets.cells[level]
        error = (values[n, anchor, 1:, row, column] - targets.places[level]) / targets.sizes[level][:, None] * 3.2
        smooth = F.smooth_l1_loss(error, torch.zeros_like(error), beta=0.06, reduction="none")
        part = targets.shares[level][:, None]
        box = box + (smooth[:, :4] * part).sum() / 4
        points = points + (smooth[:, 4:] * part).sum() / 10
        share += float(part.sum())
    share = max(share, 1.0)
    return {"score": score / total, "box": 0.5 * box / share, "points": 5.0 * points / share}
