"""`cli.py template validate` and `reconstruct`: pictures from templates."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from commands.doors import embedder, needed, open_analyzer
from commands.template_options import Adapter, AsJson, Overwrite, SourcePack, check_folder, check_new, threshold_or_rate
from commands.watching import bar
from commands.weight_options import ModelsDir, ProfileName
from errors import RequestError
from face.keypoints import VIEWS
from face.photo import open_photo
from generation.loading import load_engine, pick_profile
from generation.recognisers import PACKS, for_weights
from generation.request import GenerationRequest, GenerationResult
from generation.settings import Settings
from outputs.metadata import write_picture
from template_adapter import validate as validating
from template_adapter.linear import load_map
from template_adapter.photos import embed_folder, photos_of, told_left_out
from template_adapter.reading import is_picture, read_bytes, read_template
from template_adapter.template import DIMENSIONS, Template

if TYPE_CHECKING:
    from PIL import Image

    from generation.engine import Engine
    from template_adapter.linear import LinearMap

NOTICE = "Only use templates that you have the right to use: what comes out shows a person's face."
TAKEN_FOR_OWN = (
    "The template was taken for one of the weights' own recogniser. If another one made it, the picture shows somebody "
    "else: give the adapter of its recogniser with --adapter."
)

Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")]


def validate_command(
    set: Annotated[Path, typer.Option(help="Folder of photos, a sub-folder or a photo a person.")],
    adapter: Adapter, source_pack: Annotated[Path, typer.Option(help="Folder of the recogniser to map from.")],
    out: Annotated[Path, typer.Option(help="Folder for the table and the contact sheet.")],
    max_ids: Annotated[int, typer.Option(help="At most so many people.", min=1)] = 50,
    threshold: Annotated[float | None, typer.Option(help="Cosine that counts as the same person.")] = None,
    false_match_rate: Annotated[
        float | None, typer.Option(help="Without --threshold: chosen among the set's people.", show_default="0.01")
    ] = None,
    view: Annotated[str | None, typer.Option(help="Pose by name.", show_default="that of the photo")] = None,
    prompt: str = "a portrait", seed: int = 0, steps: int | None = None, guidance: float | None = None,
    profile: ProfileName = None, device: Device = None, models_dir: ModelsDir = None, overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make pictures from mapped templates and ask the recogniser they came from whether it is the same person."""
    from face.pack import find_pack

    check_new(out / "validation.json", overwrite, name="out")
    settings = Settings.from_environment(profile=profile, device=device, models_dir=models_dir)
    chosen = pick_profile(settings.profile)
    fitted = for_weights(load_map(adapter), chosen)
    threshold, rate = threshold_or_rate(threshold, false_match_rate, usual=None)
    _check_view(view)
    photos_of(set)
    check_folder(out, name="out")
    find_pack(source_pack)
    engine = load_engine(chosen, settings)
    foreign = open_analyzer(source_pack, chosen, detector_of=engine.analyzer.folder)
    with bar() as told:
        found = embed_folder(
            set, embedder(foreign), embedder(engine.analyzer), name="set", first_of=max_ids,
            progress=lambda done, of: told("reading photos", done, of),
        )  # fmt: skip
        left_out, limit = found.left_out, threshold
        if limit is None:
            crowd = embed_folder(
                set, embedder(foreign), name="set", most=validating.CROWD,
                progress=lambda done, of: told("choosing the threshold", done, of),
            )  # fmt: skip
            left_out = left_out | crowd.left_out
            limit = validating.threshold_at(crowd.rows[0], crowd.people, rate)
        cases = [
            validating.Case(str(person), open_photo(photo), source, target)
            for person, photo, source, target in zip(found.people, found.photos, *found.rows, strict=True)
        ]

        def make(template: Template, case: validating.Case) -> Image.Image:
            pose = case.photo if view is None else None
            wish = GenerationRequest(
                template=template, pose=pose, view=view, prompt=prompt, seed=seed, steps=steps, guidance=guidance
            )
            return _result(engine, wish).images[0].image

        def analyse(picture: Image.Image) -> np.ndarray | None:
            faces = foreign.find(picture)
            return faces[0].embedding if faces else None

        outcomes = validating.validate(
            cases, fitted, make=make, analyse=analyse, progress=lambda done, of: told("making pictures", done, of)
        )
    told_of = {
        "adapter": fitted.fingerprint,
        "profile": engine.profile.name,
        "false_match_rate": rate if threshold is None else None,
        "left_out": len(left_out),
    }
    sheet_of = {
        "prompt": prompt, "view": view, "seed": seed, "profile": engine.profile.name,
        "template": {"recogniser": fitted.about.source, "adapter": fitted.fingerprint},
    }  # fmt: skip
    text = validating.write(
        outcomes, limit, out, provenance=told_of, save=lambda sheet, path: write_picture(sheet, sheet_of, path)
    )
    print((out / "validation.json").read_text(encoding="utf-8") if as_json else text)
    print(f"{out}: validation.json, validation.md, contact.jpg", file=sys.stderr)
    for note in (*differing(fitted, source_pack), *told_left_out(left_out)):
        print(f"note: {note}", file=sys.stderr)


def reconstruct_command(
    input: Annotated[Path, typer.Option(help="Template (.npy, .npz, pickle, base64 or JSON text) or a photo.")],
    output: Annotated[Path, typer.Option(help="Picture to write (.jpg or .png).")],
    adapter: Annotated[Path | None, typer.Option(help="Map for a template of another recogniser.")] = None,
    source_pack: SourcePack = None,
    source_name: Annotated[
        str | None, typer.Option(help="The template's recogniser, which must be the one that the adapter reads.")
    ] = None,
    prompt: str = "a portrait", view: str = "front", seed: int = 0,
    overwrite: Overwrite = False,
    profile: ProfileName = None, device: Device = None, models_dir: ModelsDir = None,
) -> None:  # fmt: skip
    """Make a picture from one template alone. The picture says in its metadata that it was made so."""
    from face.pack import find_pack

    if output.suffix.lower() not in (".jpg", ".jpeg", ".png") or not output.parent.is_dir():
        raise RequestError("The picture has no place.", field="output", cure="Name a .jpg or .png file in a folder.")
    check_new(output, overwrite, name="output")
    _check_view(view)
    for name, given in (("source_pack", source_pack), ("source_name", source_name)):
        if adapter is None and given is not None:
            raise RequestError(
                "Without an adapter nothing comes from another recogniser.",
                field=name,
                cure=f"Give --adapter too, or leave --{name.replace('_', '-')} out.",
            )
    settings = Settings.from_environment(profile=profile, device=device, models_dir=models_dir)
    chosen = pick_profile(settings.profile)
    fitted = None if adapter is None else for_weights(load_map(adapter), chosen)
    data = read_bytes(input, field="input")

    def mapped(values: np.ndarray) -> Template:
        if fitted is None:
            return Template(values)
        return fitted.map_template(values, recogniser=source_name, field="input")

    if not is_picture(data):
        width = DIMENSIONS if fitted is None else fitted.matrix.shape[0]
        template = mapped(read_template(data, field="input", dimensions=width))
        engine = load_engine(chosen, settings)
    else:
        photo = open_photo(input, field="input")
        pack = None if fitted is None else find_pack(needed(source_pack))
        engine = load_engine(chosen, settings)
        reader = engine.analyzer if pack is None else open_analyzer(pack, chosen, detector_of=engine.analyzer.folder)
        template = mapped(reader.faces(photo, field="input")[0].embedding)
    result = _result(engine, GenerationRequest(template=template, prompt=prompt, view=view, seed=seed))
    write_picture(result.images[0], result.settings, output)
    likeness = result.images[0].identity
    print(f"{output}  seed {seed}, likeness {'not measurable' if likeness is None else f'{likeness:.2f}'}")
    told = [] if is_picture(data) else [TAKEN_FOR_OWN]
    if fitted is not None:
        told = differing(fitted, source_pack if is_picture(data) else None)
    for note in (*result.notes, *told, NOTICE):
        print(f"note: {note}", file=sys.stderr)


def differing(fitted: LinearMap, source_pack: Path | None) -> list[str]:
    """A sentence where photos are read by another recogniser than the known one that the adapter was fitted on."""
    source = fitted.about.source
    if source_pack is None or source_pack.stem == source or source not in PACKS:
        return []
    return [f"The photos are read by {source_pack.stem}, the adapter was fitted on {source}."]


def _check_view(view: str | None) -> None:
    if view is not None and view not in VIEWS:
        raise RequestError(f"There is no view {view!r}.", field="view", cure=f"Choose one of: {', '.join(VIEWS)}.")


def _result(engine: Engine, wish: GenerationRequest) -> GenerationResult:
    with closing(engine.generate(wish)) as events:
        for event in events:
            if isinstance(event, GenerationResult):
                return event
    raise RuntimeError("the engine ended without a result")
