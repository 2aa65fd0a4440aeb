"""`cli.py generate`: from options to pictures on disk."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from commands.generate_options import (
    best_of,
    check_pairs,
    control_of,
    lora_of,
    order_of,
    people_of,
    photo_at,
    settings_like,
    size_of,
    window_of,
    without,
)
from commands.generate_output import files_for, likeness_of, report_of, write
from commands.weight_options import Base, Decoder, ModelsDir, OwnAdapter, OwnIdentityNet, ProfileName
from generation.bases import with_base
from generation.loading import load_engine, pick_profile
from generation.own_parts import with_own_parts
from generation.request import GenerationRequest, GenerationResult
from generation.settings import Settings
from outputs.metadata import request_from_settings
from style_presets import STYLES, load_styles
from weights.registry import PROFILES
from weights.store import Store

if TYPE_CHECKING:
    from generation.engine import Engine


def generate(
    face: Annotated[
        list[Path] | None, typer.Option(help="Photo of the person. May be repeated.", show_default=False)
    ] = None,
    person: Annotated[
        list[Path] | None,
        typer.Option(help="Photo, or folder of photos, of one of several people, left to right.", show_default=False),
    ] = None,
    order: Annotated[
        str | None, typer.Option(help="Who stands where, left to right, e.g. 2,1.", show_default=False)
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="What to see.", show_default=False)] = None,
    negative: Annotated[str | None, typer.Option(help="What not to see.", show_default=False)] = None,
    style: Annotated[str | None, typer.Option(help="A style preset, e.g. Watercolor.", show_default=False)] = None,
    pose: Annotated[Path | None, typer.Option(help="Picture whose face gives the pose.", show_default=False)] = None,
    view: Annotated[str | None, typer.Option(help="Pose by name, e.g. front.", show_default=False)] = None,
    view_size: Annotated[
        float | None, typer.Option(help="Face height over the short side.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="PNG to write; several get -1, -2, ... before the ending.")] = Path(
        "out.png"
    ),
    count: Annotated[int | None, typer.Option(help="Number of pictures.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="0 to 4294967295; drawn when not given.", show_default=False)] = None,
    control: Annotated[
        list[str] | None,
        typer.Option(help="pose, canny or depth, with :STRENGTH[:PICTURE] or without. May be repeated."),
    ] = None,
    control_maps: Annotated[
        bool, typer.Option(help="The control pictures are maps already (edges, depth, ...).")
    ] = False,
    save_controls: Annotated[bool, typer.Option(help="Also write what each control followed.")] = False,
    mode: Annotated[
        str | None, typer.Option(help="Speed: quality, fast, turbo, or a way of turbo (lcm, tcd, ...).")
    ] = None,
    steps: Annotated[int | None, typer.Option(show_default="by profile")] = None,
    guidance: Annotated[float | None, typer.Option(show_default="by profile")] = None,
    guidance_window: Annotated[
        str | None, typer.Option(help="Part of the run that is guided, as START:END.", show_default="0:1, or by mode")
    ] = None,
    scheduler: Annotated[str | None, typer.Option(show_default="by profile")] = None,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in pixels.", show_default="by profile")] = None,
    identity_net_scale: Annotated[
        float | None,
        typer.Option("--identity-net-scale", "--identity-strength", help="Face shape.", show_default="by profile"),
    ] = None,
    adapter_scale: Annotated[
        float | None,
        typer.Option("--adapter-scale", "--adapter-strength", help="Face detail.", show_default="by profile"),
    ] = None,
    identity_window: Annotated[
        str | None, typer.Option(help="Part in which IdentityNet acts, as START:END.", show_default="0:1, or by mode")
    ] = None,
    adapter_window: Annotated[
        str | None, typer.Option(help="Part in which the adapter acts, as START:END.", show_default="0:1")
    ] = None,
    start: Annotated[Path | None, typer.Option(help="Picture to start from.", show_default=False)] = None,
    into: Annotated[Path | None, typer.Option(help="Photo to put the person into.", show_default=False)] = None,
    into_face: Annotated[
        int | None, typer.Option(help="Which face of it, 0 = the largest.", show_default=False)
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="Where such a picture may change, white.", show_default=False)
    ] = None,
    strength: Annotated[float | None, typer.Option(help="How much of it may change.", show_default=False)] = None,
    refine: Annotated[
        str | None, typer.Option(help="Small faces made again: never, auto, always.", show_default="never")
    ] = None,
    strengths: Annotated[
        str | None, typer.Option(help="Preset: official, balanced or free.", show_default=False)
    ] = None,
    guidance_rescale: Annotated[float | None, typer.Option(help="0 to 1, against burning.", show_default=False)] = None,
    face_noise: Annotated[float | None, typer.Option(help="0 to 1, against burning.", show_default=False)] = None,
    compare_colours: Annotated[bool, typer.Option(help="Say whether the person burns the colours.")] = False,
    best: Annotated[
        str | None, typer.Option(help="KEEP/MAKE, e.g. 2/6: make six, keep the two best.", show_default=False)
    ] = None,
    lora: Annotated[
        list[str] | None, typer.Option(help="FILE.safetensors or OWNER/REPO, with :WEIGHT or without. May be repeated.")
    ] = None,
    like: Annotated[
        Path | None, typer.Option(help="PNG made here, whose settings hold where no option is given.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace files that are there.")] = False,
    profile: ProfileName = None,
    base: Base = None,
    vae: Decoder = None,
    adapter: OwnAdapter = None,
    identity_net: OwnIdentityNet = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps; one of OpenVINO's devices.")] = None,
    backend: Annotated[str | None, typer.Option(help="torch or openvino.", show_default="torch")] = None,
    precision: Annotated[
        str | None, typer.Option(help="OpenVINO's weights: auto, fp16, int8, hybrid, int4 or fp32.")
    ] = None,
    models_dir: ModelsDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Make pictures of one person.

    Nothing is overwritten unless asked for. Each PNG holds its settings; --like makes it again.
    """
    check_pairs(count, best, control, control_maps)
    kept = settings_like(like)
    before = kept.get("profile") if kept.get("profile") in PROFILES else None
    settings = Settings.from_environment(
        profile=profile or before,
        device=device,
        backend=backend,
        precision=precision,
        models_dir=models_dir,
        base=base,
        vae=vae,
        adapter=adapter,
        identity_net=identity_net,
    )
    chosen = pick_profile(settings.profile)
    if settings.base is not None or settings.vae is not None:
        store = Store(settings.models_dir, settings.offline or None)
        chosen = with_base(chosen, settings.base, settings.vae, store)
        settings = replace(settings, base=None, vae=None)
    chosen = with_own_parts(chosen, settings.adapter, settings.identity_net)
    settings = replace(settings, adapter=None, identity_net=None)
    styles = STYLES if settings.styles is None else load_styles(settings.styles)
    width, height = size_of(size)
    given = {
        "pose": None if pose is None else photo_at(pose, "pose"),
        "start_picture": None if start is None else photo_at(start, "start"),
        "into": None if into is None else photo_at(into, "into"),
        "into_face": into_face,
        "mask": None if mask is None else photo_at(mask, "mask", "black"),
        "strength": strength,
        "controls": tuple(control_of(text, is_map=control_maps) for text in control or ()) or None,
        "refine": refine,
        "prompt": prompt,
        "negative_prompt": negative,
        "style": style,
        "view": view,
        "view_size": view_size,
        **({} if count is None else {"count": count}),
        "seed": seed,
        "mode": mode,
        "strengths": strengths,
        "guidance_rescale": guidance_rescale,
        "face_noise": face_noise,
        "compare_colours": compare_colours or None,
        **best_of(best),
        "steps": steps,
        "guidance": guidance,
        "scheduler": scheduler,
        "width": width,
        "height": height,
        "identity_net_scale": identity_net_scale,
        "adapter_scale": adapter_scale,
        **window_of("guidance", guidance_window),
        **window_of("identity", identity_window),
        **window_of("adapter", adapter_window),
        "loras": tuple(lora_of(text) for text in lora or ()) or None,
    }
    options = {name: value for name, value in given.items() if value is not None}
    photos, given_others = people_of(face or [], person or [])
    options |= {"others": given_others} if given_others else {}
    options |= {} if order is None else {"assignment": order_of(order, 1 + len(given_others))}
    request = request_from_settings(without(kept, options), photos, profile=chosen, **options)
    request = request.resolved(chosen, styles)
    files = files_for(out, request.count, overwrite)
    beside = request.controls if save_controls else ()
    followed = [files_for(out.with_stem(f"{out.stem}-{one.kind}"), 1, overwrite)[0] for one in beside]
    result = watched(load_engine(chosen, settings), request)
    for file, image in zip(files, result.images, strict=True):
        write(image, result.settings, file)
    for file, (_, picture) in zip(followed, result.controls, strict=bool(followed)):
        picture.save(file)
    if as_json:
        print(json.dumps(report_of(result, files), ensure_ascii=False))
        return
    for file, image in zip(files, result.images, strict=True):
        print(f"{file}  seed {image.seed}, likeness {likeness_of(image)}")
    for report in result.references:
        if not report.used:
            print(f"photo {report.index + 1}: {report.verdict}", file=sys.stderr)
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{chosen.title}, {result.seconds:.1f} s", file=sys.stderr)


def watched(engine: Engine, request: GenerationRequest) -> GenerationResult:
    """Watches a run from the terminal. Ctrl-C closes the iterator, which stops the run."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("reading", total=None)
        with closing(engine.generate(request)) as events:
            for event in events:
                if isinstance(event, GenerationResult):
                    return event
                bars.update(bar, description=event.phase, completed=event.step, total=event.total or None)
    raise RuntimeError("the engine ended without a result")
