"""Measures the template adapter on drawn people and writes docs/TEMPLATES.md and its pictures.

    python scripts/measure_templates.py --data DIR [--people 11000] [--validate 60] [--only map|pictures]

The foreign recogniser is assets/miniature/face_other, the target the miniature's own; the shipped adapter is another
program's (`python -m training.miniature template-map`). DIR keeps what is slow: the drawings and both recognisers'
embeddings of them; whatever else lies there stays as it is. `--only map` measures on these alone; `--only pictures`
what hangs on the generator's weights: the end-to-end table and its contact sheet.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from commands.template_pictures import validate_command  # noqa: E402
from template_adapter.fit import METHODS, fit  # noqa: E402
from template_adapter.pairs import Pairs  # noqa: E402
from template_adapter.report import sweep  # noqa: E402
from training.miniature.draw import render  # noqa: E402
from training.miniature.face_pack import OTHER_ASSETS  # noqa: E402
from training.miniature.person import EVALUATION_SEEDS, Person  # noqa: E402
from training.miniature.sets import LIMITS  # noqa: E402
from training.miniature.shot import Shot  # noqa: E402
from training.miniature.template_map import MAP_FILE, NAMES, PEOPLE, fitted_pairs  # noqa: E402

ADAPTER = OTHER_ASSETS / MAP_FILE
SIZES = (100, 300, 1_000, 3_000, 10_000)
FEW = (100, 200, 300, 400, 500, 600, 800, 1_000, 1_500)
BEGIN, END = "<!-- {}: begin -->\n", "<!-- {}: end -->"


def unseen_photos(folder: Path, people: int) -> None:
    """One photo-like picture each of people whom nothing has learnt from. folder: a new one."""
    folder.mkdir()
    for number in range(people):
        rng = np.random.default_rng([9, number])
        shot = Shot.sample(rng, style="photo", **LIMITS)
        picture = render(Person.from_seed(EVALUATION_SEEDS.start + 1_000_000 + number), shot).image
        Image.fromarray(picture).save(folder / f"{number:04d}.png")


def replaced(text: str, name: str, body: str) -> str:
    """`text` with what stands between the marks of `name` renewed."""
    begin, end = BEGIN.format(name), END.format(name)
    before, rest = text.split(begin, 1)
    return f"{before}{begin}{body.strip()}\n{end}{rest.split(end, 1)[1]}"


def methods_table(pairs: Pairs) -> str:
    """Held-out cosines of every method at the full size."""
    lines = ["| method | mse | cosine, held in | cosine, held out |", "|---|---|---|---|"]
    rows: tuple[tuple[str, str, dict[str, Any]], ...] = (
        *((f"{method}, bias", method, {}) for method in METHODS),
        ("ols, no bias", "ols", {"bias": False}),
    )
    for name, method, options in rows:
        about = fit(pairs, **NAMES, method=method, **options).about
        lines.append(f"| {name} | {about.mse:.3g} | {about.cosine:.3f} | {about.held_out_cosine:.3f} |")
    return "\n".join(lines)


def few_table(pairs: Pairs) -> str:
    """Held-out cosines of every method where there are about as many people as numbers."""
    found = {method: sweep(pairs, **NAMES, method=method, sizes=FEW).rows for method in METHODS}
    lines = [f"| people | {' | '.join(found)} |", "|---" * (1 + len(found)) + "|"]
    lines += [
        f"| {rows[0].people:,} | " + " | ".join(f"{row.held_out_cosine:.3f}" for row in rows) + " |"
        for rows in zip(*found.values(), strict=True)
    ]
    return "\n".join(lines)


def measure_map(data: Path, people: int, docs: Path) -> dict[str, str]:
    """Tables by their marks; the pictures are written."""
    pairs = fitted_pairs(data, OTHER_ASSETS.parent, people)
    report = sweep(pairs, **NAMES, sizes=SIZES, threshold=None)
    for name, picture in report.pictures().items():
        picture.save(docs / "templates" / name)
    return {
        "sweep": "\n\n".join([report.table(), *report.notes()]),
        "methods": methods_table(pairs),
        "few": few_table(pairs),
    }


def measure_pictures(data: Path, people: int, docs: Path) -> dict[str, str]:
    """End to end on today's weights."""
    with tempfile.TemporaryDirectory(dir=data) as drawn:
        photos, out = Path(drawn) / "photos", Path(drawn) / "validation"
        unseen_photos(photos, 4 * people)
        validate_command(
            set=photos, adapter=ADAPTER, source_pack=OTHER_ASSETS, out=out, max_ids=people, profile="miniature"
        )
        told = json.loads((out / "validation.json").read_text(encoding="utf-8"))
        table = (out / "validation.md").read_text(encoding="utf-8")
        top_rows(out / "contact.jpg", docs / "templates" / "contact.jpg")
    ceiling = told["from the true template"]["share"]
    mapped = told["from the mapped template"]["share"]
    words = (
        f"The threshold, {told['threshold']:.3f}, is where 1 % of the pairs of two different people among the "
        f"{4 * people} photos lie above. {100 * mapped:.0f} % of the pictures from mapped templates reach it, and "
        f"{100 * ceiling:.0f} % of those from the generator's own template of the same photo."
    )
    return {"validation": f"{table}\n{words}"}


def top_rows(source: Path, target: Path) -> None:
    """The first six rows of a contact sheet, with what it tells of itself."""
    with Image.open(source) as sheet:
        width, height = sheet.size
        part = sheet.crop((0, 0, width, min(height, 34 + 6 * 194)))
        part.save(target, quality=88, xmp=sheet.info["xmp"], comment=sheet.info["comment"])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--people", type=int, default=PEOPLE, help="drawn people, one in eleven held out")
    parser.add_argument("--validate", type=int, default=60, help="people of the end-to-end check")
    parser.add_argument("--only", choices=("map", "pictures"))
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where TEMPLATES.md lies")
    options = parser.parse_args(arguments)
    (options.docs / "templates").mkdir(parents=True, exist_ok=True)
    options.data.mkdir(parents=True, exist_ok=True)
    found = {}
    if options.only != "pictures":
        found |= measure_map(options.data, options.people, options.docs)
    if options.only != "map":
        found |= measure_pictures(options.data, options.validate, options.docs)
    page = options.docs / "TEMPLATES.md"
    text = page.read_text(encoding="utf-8")
    for name, body in found.items():
        text = replaced(text, name, body)
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
