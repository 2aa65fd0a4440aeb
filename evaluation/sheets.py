"""Contact sheets: what was given, what is true and what was made, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from PIL import Image, ImageDraw, ImageFont

from evaluation.cases import Take
from evaluation.run import Evaluation
from evaluation.suite import Point
from face.views import VIEWS

SIDE, GAP, MARGIN = 112, 4, 78
COLUMNS = 11


def likeness(evaluation: Evaluation) -> Image.Image:
    """A column a picture: the reference, the true picture as asked for where there is one, and what was made."""
    samples = [evaluation.samples[take] for take in evaluation.plan.main[:COLUMNS]]
    rows = {
        "given": [evaluation.world.subjects[sample.take.subject].photos[0] for sample in samples],
        "true": [sample.true for sample in samples],
        "made": [sample.image for sample in samples],
    }
    return sheet({name: row for name, row in rows.items() if any(row)})


def views(evaluation: Evaluation) -> Image.Image | None:
    """A row a person, a column a view; None where the suite has none of these."""
    if not evaluation.plan.views:
        return None
    names = list(VIEWS)
    rows = {}
    for start in range(0, len(evaluation.plan.views), len(names)):
        takes = evaluation.plan.views[start : start + len(names)]
        rows[evaluation.world.subjects[takes[0].subject].name] = [evaluation.samples[take].image for take in takes]
    return sheet(rows, [view.replace("three_quarter", "3/4").replace("_", " ") for view in names])


def strengths(evaluation: Evaluation) -> Image.Image | None:
    """One person over the grid: rows the adapter's strength, columns IdentityNet's; None without that sweep."""
    points = evaluation.plan.sweeps.get("strengths")
    if points is None:
        return None
    rows: dict[str, list[Image.Image | None]] = {}
    chosen = _photos_first(evaluation, points[0])[0]
    for point in points:
        row = rows.setdefault(f"adapter {point.setting.adapter_scale:g}", [])
        row.append(evaluation.samples[point.takes[chosen]].image)
    nets = dict.fromkeys(point.setting.identity_net_scale for point in points)
    return sheet(rows, [f"IdentityNet {strength:g}" for strength in nets])


def sweep(evaluation: Evaluation, name: str, pictures: int = 3) -> Image.Image | None:
    """A row each of the first pictures of a sweep, a column a setting; None without that sweep."""
    points = evaluation.plan.sweeps.get(name)
    if not points:
        return None
    rows = {}
    for number in _photos_first(evaluation, points[0])[:pictures]:
        subject = evaluation.world.subjects[points[0].takes[number].subject]
        same = [_same(point, points[0].takes[number]) for point in points]
        rows[subject.name] = [None if take is None else evaluation.samples[take].image for take in same]
    return sheet(rows, [point.label for point in points])


def _same(point: Point, take: Take) -> Take | None:
    """The picture of a point that differs from this one in its setting alone; None where the person's photos end."""
    return next((one for one in point.takes if replace(one, setting=take.setting) == take), None)


def _photos_first(evaluation: Evaluation, point: Point) -> list[int]:
    """Places of a point's pictures, those asked for as photos first: faces are read most easily in them."""
    wishes = [evaluation.world.wishes[take.wish] for take in point.takes]
    return sorted(range(len(wishes)), key=lambda place: wishes[place].wanted.get("style") != "photo")


def sheet(rows: Mapping[str, Sequence[Image.Image | None]], columns: Sequence[str] = ()) -> Image.Image:
    """Pictures in rows with names at the left, and over the columns where given; RGB."""
    head = 18 if columns else 0
    width = max(len(row) for row in rows.values())
    size = (MARGIN + width * (SIDE + GAP) - GAP, head + len(rows) * (SIDE + GAP) - GAP)
    canvas = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(12)
    for number, name in enumerate(columns):
        pen.text((MARGIN + number * (SIDE + GAP), 2), name, "#222", font)
    for down, (name, row) in enumerate(rows.items()):
        top = head + down * (SIDE + GAP)
        pen.text((0, top + SIDE // 2 - 8), name, "#222", font)
        for across, picture in enumerate(row):
            if picture is not None:
                canvas.paste(_fitted(picture), (MARGIN + across * (SIDE + GAP), top))
    return canvas


def _fitted(picture: Image.Image) -> Image.Image:
    """The whole picture inside a white square of SIDE."""
    scale = SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    small = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    square = Image.new("RGB", (SIDE, SIDE), "white")
    square.paste(small, ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return square
