"""The miniature from nothing, one command a stage.

Every stage goes on where its last checkpoint stands, and refuses one of another seed, length, plan or of other files.
The order is ``data``, ``face``, ``codec``, ``text``, ``base``, ``landmarks``, ``joint``, ``adapter``, ``controls``,
``style-lora``, ``bundle``, ``template-map``, ``few-steps``, ``attributes``; ``all`` runs it.
"""

from __future__ import annotations

import multiprocessing
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer
from safetensors.torch import load_file, save_file

from errors import RequestError
from training.children import end_with_parent
from training.miniature import adapter as adapters
from training.miniature import attribute_training, detector, extras, loop, prepared, recogniser
from training.miniature import base as bases
from training.miniature import bundle as bundles
from training.miniature import codec as codecs
from training.miniature.claims import fingerprint, once
from training.miniature.dataset import load
from training.miniature.face_pack import ASSETS as PACK
from training.miniature.face_pack import DETECTOR_FILE, RECOGNISER_FILE, Recogniser
from training.miniature.few_steps import few_steps
from training.miniature.landmarks import LandmarkStage
from training.miniature.restore import AUTOENCODER, restore
from training.miniature.sets import all_pictures, draw_sets, load_sets
from training.miniature.telling import say
from training.miniature.template_map import PEOPLE, template_map
from training.miniature.text import load_tokenizer

ASSETS = Path(__file__).parents[2] / "assets" / "miniature"
# About what the shipped bundle had, in batches of the usual size in two processes; its card has the samples.
STEPS = {"decoder": 1370, "encoder": 410, "base": 1875, "landmarks": 200, "joint": 5160, "adapter": 2010}
LANDMARKS = "landmarks.safetensors"
MUON = 1.3e-3  # rate of matrices
TRIAL_STEPS, TRIAL_PEOPLE = 2, 64
OTHER_RECOGNISER = ("--net", "residual", "--steps", "3200")

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
Data = Annotated[Path, typer.Option(help="Folder of the drawings.")]
Out = Annotated[Path, typer.Option(help="Folder of checkpoints and of what is computed once.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Minutes = Annotated[float | None, typer.Option(help="Length by the clock instead.")]
Steps = Annotated[int | None, typer.Option(help="Length in steps; by default the shipped one's.")]
Workers = Annotated[int, typer.Option(help="Single-thread processes.")]
Pack = Annotated[Path | None, typer.Option(help="Face pack; by default OUT/face, or the shipped one without it.")]
FacePeople = Annotated[int, typer.Option(help="People whose faces are learnt, beside as many who look any way.")]
Batch = Annotated[int, typer.Option(help="Samples of one process and step.")]
Trial = Annotated[
    bool, typer.Option("--trial", help="A few people and two steps a stage: whether all of it runs, in minutes.")
]


def _plan(stage: str, steps: int | None, minutes: float | None, **rest: object) -> loop.Plan:
    if steps is None and minutes is None:
        steps = STEPS[stage]
    return loop.Plan(steps=steps, minutes=None if steps is not None else minutes, **rest)  # type: ignore[arg-type]


@app.command("data")
def draw_data(
    data: Data, seed: Seed = 0, people: int = 6000, shots: int = 6, references: int = 2, turned: int = 5000,
    processes: int = 2,
) -> None:  # fmt: skip
    """Draw the pictures to learn from, and reference pictures of the same people, mostly in photo style.

    turned: so many further people are drawn looking any way up to the profile, and once as a reference.
    """
    draw_sets(data, seed=seed, people=people, shots=shots, references=references, turned=turned, processes=processes)


@app.command("face")
def face(data: Data, out: Out, seed: Seed = 0, steps: Steps = None, people: FacePeople = recogniser.PEOPLE) -> None:
    """Train recognisers and detector with their own programs.

    ``OUT/face`` is the pack that the miniature is conditioned with; ``OUT/face_other`` is a recogniser alone, of
    another architecture and seed, which no other stage but the template map reads.
    """
    for pack, part, program, file, options in (
        ("face", "recogniser", recogniser.main, RECOGNISER_FILE, ["--seed", str(seed)]),
        ("face", "detector", detector.main, DETECTOR_FILE, ["--seed", str(seed)]),
        ("face_other", "recogniser", recogniser.main, RECOGNISER_FILE, ["--seed", str(seed + 1), *OTHER_RECOGNISER]),
    ):
        folder = out / (part if pack == "face" else f"{part}_other")
        arguments = [*options, "--people", str(people), "--data", str(data), "--out", str(folder)]
        arguments += [] if steps is None else ["--steps", str(steps)]
        say(f"{folder.name} begins, or goes on.")
        # Both set their process to one thread.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), end_with_parent, (1,)) as alone:
            alone.submit(program, arguments).result()
        (out / pack).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / file, out / pack / file)


@app.command("codec")
def codec(
    data: Data, out: Out, seed: Seed = 0, minutes: Minutes = None, steps: Steps = None, workers: Workers = 2,
    batch: Batch = 12, channels: int = codecs.CHANNELS,
) -> None:  # fmt: skip
    """Fit the latents, then train the decoder and the encoder."""
    pictures, components = data / "pictures" / "images.npy", out / "components.npz"
    out.mkdir(parents=True, exist_ok=True)
    if not (out / AUTOENCODER).exists():  # otherwise they were restored with it
        drawings = load(data / "pictures")
        made_of = {"pictures": drawings.digest, "channels": channels}
        once(components, made_of, lambda: prepared.prepare_components(drawings, components, channels))
    share = 1 / 8  # of the time, for the encoder
    for stage, part in (
        (codecs.DecoderStage(pictures, data / "pictures" / "keypoints.npy", components, seed), 1 - share),
        (codecs.EncoderStage(pictures, components, seed), share),
    ):
        plan = _plan(
            stage.name, steps, minutes * part if minutes else None, workers=workers, batch=batch, lr=2e-3,
            muon=3 * MUON, hold=0.3, warmup=30, ema=0.998, weight_decay=0.0,
        )  # fmt: skip
        loop.train(stage, plan, out / stage.name, log=out / f"{stage.name}.log")


@app.command("text")
def text(data: Data, out: Out, seed: Seed = 0) -> None:
    """Make the tokenizer, and turn pictures into latents and captions into tokens."""
    prepared.prepare_base(all_pictures(data), codecs.Components.load(out / "components.npz"), out / "prepared")


@app.command("base")
def base(
    data: Data, out: Out, seed: Seed = 0, minutes: Minutes = None, steps: Steps = None, workers: Workers = 2,
    batch: Batch = 32, muon: float = MUON,
) -> None:  # fmt: skip
    """Train the text-to-image base and its text encoders."""
    stage = bases.BaseStage(out / "prepared", len(load_tokenizer(out / "prepared" / "tokenizer")), seed)
    plan = _plan("base", steps, minutes, workers=workers, batch=batch, muon=muon)
    save_file(loop.train(stage, plan, out / "base", log=out / "base.log"), out / "base.safetensors")


@app.command("landmarks")
def landmarks(
    data: Data, out: Out, seed: Seed = 0, minutes: Minutes = None, steps: Steps = None, workers: Workers = 2,
    batch: Batch = 48, pack: Pack = None,
) -> None:  # fmt: skip
    """The warm start of IdentityNet's eye, which the joint stage starts from."""
    _prepare_faces_and_texts(data, out, seed, pack)
    folder = out / "prepared"
    stage = LandmarkStage(folder / "landmarks.npy", folder / "keypoints.npy", bases.BLOCKS[0], seed)
    plan = _plan(
        "landmarks", steps, minutes, workers=workers, batch=batch, lr=3e-3, warmup=20, hold=0.4, ema=0.99, log_steps=25
    )
    save_file(loop.train(stage, plan, out / "landmarks", log=out / "landmarks.log"), out / LANDMARKS)


@app.command("joint")
def joint(
    data: Data, out: Out, seed: Seed = 0, minutes: Minutes = None, steps: Steps = None, workers: Workers = 2,
    batch: Batch = 32, muon: float = MUON, pack: Pack = None,
) -> None:  # fmt: skip
    """Go on training the base's UNet together with resampler, face attention and IdentityNet.

    In a restored folder these three go on as well; otherwise they start here, with the eye of the landmarks stage.
    """
    _prepare_faces_and_texts(data, out, seed, pack)
    begun, eye = out / "restored.safetensors", out / LANDMARKS
    start, shown = (begun, None) if begun.exists() else (None, eye)
    if shown is not None and not shown.exists():
        raise RequestError(f"{eye} is not there.", field="out", cure="Run the landmarks stage before this one.")
    stage = adapters.AdapterStage(
        out / "prepared",
        out / "base.safetensors",
        start=start,
        landmarks=shown,
        joint=True,
        seed=seed,
        name="joint",
    )
    plan = _plan("joint", steps, minutes, workers=workers, batch=batch, muon=muon, warmup=60, floor=0.3)
    unet, face = adapters.split_weights(loop.train(stage, plan, out / "joint", log=out / "joint.log"))
    words = {k: v for k, v in load_file(out / "base.safetensors").items() if k.startswith("text_")}
    save_file(face, out / "face.safetensors")
    save_file(words | unet, out / "joint.safetensors")


@app.command("adapter")
def adapter(
    data: Data, out: Out, seed: Seed = 0, minutes: Minutes = None, steps: Steps = None, workers: Workers = 2,
    batch: Batch = 32, muon: float = MUON, pack: Pack = None,
) -> None:  # fmt: skip
    """Train resampler, face attention and IdentityNet on the frozen base."""
    _prepare_faces_and_texts(data, out, seed, pack)
    start = out / "face.safetensors"
    stage = adapters.AdapterStage(
        out / "prepared", bundles.base_file(out), start=start if start.exists() else None, seed=seed + 1
    )
    plan = _plan("adapter", steps, minutes, workers=workers, batch=batch, muon=muon, warmup=30, hold=0.2)
    loop.train(stage, plan, out / "adapter", log=out / "adapter.log")


def _prepare_faces_and_texts(data: Path, out: Path, seed: int, pack: Path | None) -> None:
    if pack is None:
        pack = out / "face" if (out / "face").is_dir() else PACK
    folder, pictures, base = out / "prepared", all_pictures(data), out / "base.safetensors"
    references = load_sets(data, "references", "turned_references")
    made_of = {"pictures": pictures.digest, "seed": seed}
    once(
        folder / "references.npy",
        made_of | {"references": references.digest, "recogniser": fingerprint(pack / RECOGNISER_FILE)},
        lambda: prepared.prepare_faces(pictures, references, folder, recogniser=Recogniser(pack), seed=seed),
    )
    once(
        folder / "texts.npy",
        made_of | {"base": fingerprint(base), "tokens": fingerprint(folder / "tokens.npy")},
        lambda: prepared.prepare_texts(pictures, load_tokenizer(folder / "tokenizer"), base, folder, seed=seed),
    )


@app.command("restore")
def restore_run(data: Data, out: Out, bundle: Path = ASSETS) -> None:
    """Fill OUT from a shipped bundle: what comes after goes on from its weights instead of from nothing."""
    restore(bundle, load(data / "pictures").images, out)
    prepared.prepare_base(all_pictures(data), codecs.Components.load(out / "components.npz"), out / "prepared")


app.command("controls")(extras.controls)
app.command("style-lora")(extras.style)
app.command("extras")(extras.ship)
app.command("template-map")(template_map)
app.command("few-steps")(few_steps)


@app.command("bundle")
def bundle(out: Out, to: Path = ASSETS) -> None:
    """Write the bundle of the newest checkpoints; stages not yet trained come out untrained."""
    bundles.write(out, to)


@app.command("attributes")
def attributes(data: Data, out: Out, seed: Seed = 0, to: Path = ASSETS, steps: int = 4000, soft: int = 4000) -> None:
    """Train the reader of attributes on the drawings and on what the bundle's autoencoder makes of some of them."""
    plan = loop.Plan(steps=steps, batch=48, lr=2e-3, muon=4e-3, warmup=min(60, steps), hold=0.4, ema=0.995)
    print(attribute_training.learn(load(data / "pictures"), to, out, plan, soft=soft, seed=seed))
    attribute_training.ship(out, to)


@app.command("all")
def everything(data: Data, out: Out, seed: Seed = 0, to: Path = ASSETS, trial: Trial = False) -> None:
    """Every stage in order, with about the lengths of the shipped bundle. On one machine a seed gives one bundle."""
    if trial and to.resolve() == ASSETS.resolve():
        raise RequestError("A trial's bundle is untrained.", field="to", cure="Give --to another folder.")
    short: dict[str, Any] = {"steps": TRIAL_STEPS} if trial else {}
    draw_data(data, seed, **({"people": TRIAL_PEOPLE, "turned": TRIAL_PEOPLE} if trial else {}))
    face(data, out, seed, **short, **({"people": TRIAL_PEOPLE} if trial else {}))
    codec(data, out, seed, **short)
    text(data, out, seed)
    base(data, out, seed, **short)
    landmarks(data, out, seed, **short)
    joint(data, out, seed, **short)
    adapter(data, out, seed, **short)
    extras.controls(data, out, seed, **short)
    extras.style(data, out, seed, **short)
    bundle(out, to)
    template_map(data, to, TRIAL_PEOPLE if trial else PEOPLE)
    few_steps(data, out, seed, to=to, **short)
    attributes(data, out, seed, to, **short)
