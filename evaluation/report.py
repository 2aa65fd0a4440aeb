"""The report: one Markdown file with tables, plots and contact sheets beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from evaluation import plots, sheets, tables
from evaluation.plots import Curve
from evaluation.run import Evaluation
from evaluation.targets import held_against

BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"
ERRORS = (
    "± is one standard error, estimated from the differences between people: of runs with other people two in three "
    "come within it of the mean of very many runs, and two runs differ by more than 1.4 times it once in three times. "
    "Of gains and shares it is that of the paired comparison, with the same people on both sides. Where all pictures "
    "agree there is none."
)
SWEEPS = {
    "parts": ("Adapter and IdentityNet", "nets"),
    "adapter_alone": ("The adapter alone", "adapter"),
    "identity_net_alone": ("IdentityNet alone", "IdentityNet"),
    "strengths": ("Strengths", "strengths"),
    "guidance": ("Guidance", "guidance"),
    "steps": ("Steps", "steps"),
    "references": ("Number of reference photos", "photos"),
    "few_steps": ("Few steps", "steps"),
}


def write(evaluation: Evaluation, file: Path, command: str) -> list[Path]:
    """Write the report, its plots (SVG) and its contact sheets (WebP, in `results/` beside it); returns the files.

    command: what was run, to be run again.
    """
    folder = file.parent / "results"
    folder.mkdir(parents=True, exist_ok=True)
    written = {f"{name}.webp": picture for name, picture in _sheets(evaluation).items()}
    for name, picture in written.items():
        picture.save(folder / name, quality=82, method=6)
    drawn = _plots(evaluation.figures)
    for name, text in drawn.items():
        (folder / name).write_text(text, encoding="utf-8")
    file.write_text(text_of(evaluation.figures, command, {*written, *drawn}), encoding="utf-8")
    return [file, *(folder / name for name in (*written, *drawn))]


def text_of(figures: Mapping[str, Any], command: str, pictures: set[str]) -> str:
    """The report's Markdown. pictures: names of the files in `results/`."""
    return "\n\n".join(_sections(figures, command, pictures)) + "\n"


def _sections(figures: Mapping[str, Any], command: str, pictures: set[str]) -> Iterator[str]:
    yield "# Results"
    yield _introduction(figures, command)
    if figures["drawn"]:
        yield "## Aims"
        yield tables.targets(held_against(figures))
    yield "## Likeness"
    yield _likeness_words(figures)
    yield tables.identity(figures)
    yield from _shown("likeness.webp", "Given, true and made, one column a picture", pictures)
    yield "## Pose"
    yield _pose_words(figures["pose"])
    yield tables.pose(figures)
    yield from _shown("views.webp", "One wish in every view", pictures)
    yield "## Copying"
    yield _copying_words(figures["copying"])
    if figures["prompt"].get("style") is not None:
        yield "## Prompt"
        yield _prompt_words(figures)
        yield tables.prompt(figures)
    for name, (title, axis) in SWEEPS.items():
        if points := figures["sweeps"].get(name):
            yield f"## {title}"
            yield tables.sweep(axis, points)
            yield from _shown(f"{name}.svg", title, pictures)
            yield from _shown(f"{name}.webp", title, pictures)


def _introduction(figures: Mapping[str, Any], command: str) -> str:
    defaults = figures["defaults"]
    people = (
        "people of the drawn world whom no training saw, chosen by the seed"
        if figures["drawn"]
        else f"people from photographs ({_left_out(figures)})"
    )
    weights = ", ".join(f"{name} {digest}" for name, digest in figures["weights"].items())
    seconds = _number(figures["seconds_per_picture"], 1)
    return (
        f"{figures['title']}, {figures['suite']} suite, seed {figures['seed']}: {figures['pictures']} pictures of "
        f"{figures['people']} {people}. Defaults: {defaults['steps']} steps of {defaults['scheduler']}, guidance "
        f"{defaults['guidance']:g}, adapter {defaults['adapter_scale']:g}, IdentityNet "
        f"{defaults['identity_net_scale']:g}, heads {defaults['view_size']:g} of the height; {seconds} s a picture "
        f"(the middle one) on the machine that ran it. Weights: {weights}. Written by\n\n```bash\n{command}\n```\n\n"
        f"All figures are of one run with one seed. {ERRORS} In the sweeps, whose cells have few pictures, a second "
        "digit is chance."
    )


def _left_out(figures: Mapping[str, Any]) -> str:
    photos, people = figures["photos_left_out"], figures["people_left_out"]
    return f"left out for want of a readable face: {photos} of the photos and {people} of the people"


def _likeness_words(figures: Mapping[str, Any]) -> str:
    identity = figures["identity"]
    judges = "It was trained apart from the one that conditions the pictures and never sees them being made."
    return (
        "Cosine of the face in a picture to the person's reference photo, by the neutral recogniser: mean and "
        f"quartiles. {judges} Rank-1 is the share of pictures whose nearest photo, among {identity['among']} people, "
        "is the right one; a picture without a face counts as wrong there, and in no mean: neither of likeness nor of "
        "keypoints or yaw. A face is found when the detector finds one, wherever. The last column is the mean by the "
        f"recogniser that conditions. {_shares_of_true(identity)}"
    )


def _shares_of_true(identity: Mapping[str, Any]) -> str:
    """What part of the likeness of true pictures the made ones have; in other poses and styles true ones lose some."""
    made, asked, pairs = identity["neutral_mean"], identity["true_as_asked"], identity["true_pair_mean"]
    if not made or not pairs:
        return ""
    error = identity["spread"]["share_of_true_pairs"]
    kept = f"{100 * made / pairs:.0f} ± {100 * error:.0f} %" if error else _percent(made / pairs)
    words = f"Made pictures keep {kept} of the likeness of two photos of one person"
    if asked is None:
        return f"{words}."
    share = _percent(made / asked["neutral"]["mean"])
    return f"{words}, and {share} of that of true pictures in the asked pose and style."


def _pose_words(found: Mapping[str, Any]) -> str:
    words = (
        "The keypoint error is the mean distance of the five points to where they were asked for, over the distance "
        "between the wanted eyes, which a turned head makes short. Yaw is estimated from the five points."
    )
    if found["true_yaw_error"] is None:
        return words
    return f"{words} On true pictures this estimate itself is off by {found['true_yaw_error']:.0f} degrees on average."


def _copying_words(found: Mapping[str, Any]) -> str:
    words = (
        f"Asked for another pose than the photo's, pictures go {_percent(found['pose'])} of the way back to the "
        "photo's (0 % follows the wish, 100 % copies)."
    )
    if found.get("expression_asked") is None:
        return words
    return (
        f"{words} Asked for another expression, {_percent(found['expression_asked'])} show the asked one and "
        f"{_percent(found['expression_of_photo'])} the photo's, as far as the reader of attributes can tell."
    )


def _prompt_words(figures: Mapping[str, Any]) -> str:
    similarity = figures["prompt"].get("similarity")
    if similarity is not None:
        return f"Told by CLIP among fixed wordings. Mean cosine of pictures and prompts: {similarity:.3f}."
    return (
        "Share of pictures that show what was asked for, told by a small classifier of the drawn world. What it says "
        "of true pictures tells how far it can be trusted; what it says of true pictures through the autoencoder, how "
        "much of them these latents keep. Neither is a bound: a made picture can show an attribute more plainly."
    )


def _shown(name: str, words: str, pictures: set[str]) -> Iterator[str]:
    if name in pictures:
        yield f"![{words}](results/{name})"


def _number(value: float | None, digits: int) -> str:
    return "an unknown number of" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "an unknown part" if value is None else f"{100 * value:.0f} %"


def _sheets(evaluation: Evaluation) -> dict[str, Image.Image]:
    made = {"likeness": sheets.likeness(evaluation), "views": sheets.views(evaluation)}
    made |= {name: sheets.sweep(evaluation, name) for name in SWEEPS if name != "strengths"}
    made["strengths"] = sheets.strengths(evaluation)
    return {name: picture for name, picture in made.items() if picture is not None}


def _plots(figures: Mapping[str, Any]) -> dict[str, str]:
    made = {}
    for name in ("guidance", "steps", "references"):
        if points := figures["sweeps"].get(name):
            positions = [float(point["label"]) for point in points]
            key = "held_out_mean" if name == "references" else "neutral_mean"
            lines = [
                Curve("likeness", [point[key] for point in points]),
                Curve("keypoint error", [point["keypoint_error"] for point in points]),
                Curve("style", [point["style"] for point in points]),
                Curve("clothes", [point["clothes"] for point in points]),
            ]
            made[f"{name}.svg"] = plots.curves(SWEEPS[name][0], SWEEPS[name][1], positions, lines)
    if points := figures["sweeps"].get("strengths"):
        values = {
            (point["setting"]["adapter_scale"], point["setting"]["identity_net_scale"]): point["neutral_mean"]
            for point in points
        }
        adapters, nets = (sorted(set(side)) for side in zip(*values, strict=True))
        axes = ("adapter", adapters), ("IdentityNet", nets)
        made["strengths.svg"] = plots.grid("Likeness by the neutral recogniser", *axes, values)
    return made


def into_card(figures: Mapping[str, Any], card: Path, command: str) -> None:
    """Put the aims and the likeness table between the marks of a bundle's card.

    Raises ValueError when the card has no marks.
    """
    text = card.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"{card.name} has no place for figures")
    before, rest = text.split(BEGIN)
    aims = tables.targets(held_against(figures))
    block = "\n\n".join((f"`{command}`", ERRORS, aims, tables.identity(figures), tables.prompt(figures)))
    card.write_text(f"{before}{BEGIN}{block}\n{END}{rest.split(END)[1]}", encoding="utf-8")
