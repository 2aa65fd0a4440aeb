"""Where requests meet the weights: one at a time, watched, stoppable, and leaving nothing behind."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from errors import OutOfMemory
from generation import ranges
from generation.best import Candidate, keep_best
from generation.colours import compared
from generation.controls import ControlNets
from generation.lora import applied
from generation.memory import free_memory, is_memory_error, out_of_memory
from generation.people import scores_of
from generation.picture import Tell, cancelled, make_picture
from generation.prepare import Prepared, prepare
from generation.prompt import PromptReader
from generation.refine import refined
from generation.request import Before, GeneratedImage, GenerationRequest, GenerationResult, Progress
from generation.sources import Sources
from generation.turns import Turn, Turns
from style_presets import STYLES, Style

if TYPE_CHECKING:
    from face.analyzer import FaceAnalyzer
    from weights.registry import Profile

Send = Callable[[Progress], None]
Stopped = Callable[[], bool]


class Engine:
    """A pipeline with its face analyzer, shared by everybody who asks.

    The pipeline is not re-entrant, so requests take turns in the order of arrival. The pictures of a request are made
    one after another: picture k is then bit for bit what a request of one picture with its seed gives, the first
    is seen sooner, and memory does not grow with their number.

    Args:
        pipeline: `StableDiffusionXLInstantIDPipeline` with its adapter loaded; the engine owns it from now on.
        styles: the presets that requests may name.
        load_net: reads the folder of a further ControlNet; None for `generation.controls.load_net`.
        sources: where LoRAs and other extras come from; None for the usual places.
        provenance: what the settings of every result say about code and weights, JSON-able.
        running: asked after every request for what its settings say of where and how the networks ran.
        remarks: asked after every request for what is to be known of the networks.
    """

    def __init__(
        self,
        pipeline: Any,
        analyzer: FaceAnalyzer,
        profile: Profile,
        *,
        styles: Mapping[str, Style] = STYLES,
        sources: Sources | None = None,
        load_net: Callable[[Path], Any] | None = None,
        provenance: Mapping[str, Any] | None = None,
        running: Callable[[], Mapping[str, Any]] = dict,
        remarks: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self.profile = profile
        self.analyzer = analyzer
        self.styles = styles
        self._pipeline = pipeline
        self._sources = sources or Sources()
        self._control_nets = ControlNets(load_net)
        self._reader = PromptReader(pipeline.tokenizer)
        self._provenance = {**(provenance or {}), "profile": profile.name}
        self._of_networks = remarks
        self._running = running
        self._pristine_scheduler = pipeline.scheduler
        self._scheduler_config = dict(pipeline.scheduler.config)
        self._turns = Turns()
        pipeline.set_progress_bar_config(disable=True)

    @property
    def device(self) -> str:
        """Where the networks run: "cpu", "cuda" or "mps"."""
        return torch.device(self._pipeline._execution_device).type

    @property
    def waiting(self) -> int:
        """Requests that run or wait."""
        return len(self._turns)

    def prepare(self, request: GenerationRequest) -> Prepared:
        """Checks and face analysis, on the CPU and beside whatever runs.

        Raises RequestError, PhotoError, NoFaceFound; WeightsMissing, WeightsCorrupt for a LoRA of elsewhere.
        """
        return prepare(request, self.profile, self.analyzer, self._reader, self.styles, self._sources)

    def generate(
        self, request: GenerationRequest | Prepared, cancel: threading.Event | None = None
    ) -> Generator[Progress | GenerationResult, None, None]:
        """Events of a run, the result last.

        The work goes on in its own thread while the caller looks at an event. Setting `cancel` raises Cancelled here,
        closing the iterator ends it silently; either way at most the step under way is finished, and when control
        comes back the pipeline is free and clean.

        Raises what `prepare` raises, Cancelled, OutOfMemory, BrokenPicture.
        """
        if isinstance(request, GenerationRequest):
            yield Progress("reading")
            prepared = self.prepare(request)
        else:
            prepared = request
        closed = threading.Event()

        def stopped() -> bool:
            return closed.is_set() or (cancel is not None and cancel.is_set())

        events: queue.SimpleQueue[Progress | GenerationResult | BaseException] = queue.SimpleQueue()
        turn = self._turns.join()
        worker = threading.Thread(
            target=self._work, args=(prepared, turn, stopped, events.put), name="generation", daemon=True
        )
        try:
            worker.start()
            while True:
                event = events.get()
                if isinstance(event, BaseException):
                    raise event
                yield event
                if isinstance(event, GenerationResult):
                    return
        finally:
            closed.set()
            if worker.ident is not None:
                worker.join()
            turn.leave()

    def _work(self, prepared: Prepared, turn: Turn, stopped: Stopped, send: Callable[[Any], None]) -> None:
        try:
            told = None
            while not turn.wait(0.05):
                if stopped():
                    raise cancelled()
                if (ahead := turn.ahead) != told:
                    told = ahead
                    send(Progress("waiting", ahead))
            outcome: Any = self._run(prepared, stopped, send)
        except BaseException as error:
            outcome = out_of_memory() if is_memory_error(error) else error
        if isinstance(outcome, OutOfMemory):
            free_memory()
        turn.leave()
        send(outcome)

    def _run(self, prepared: Prepared, stopped: Stopped, send: Send) -> GenerationResult:
        started = time.perf_counter()
        wish = prepared.request
        first_seed = wish.seed or 0
        images: list[GeneratedImage] = []
        told: list[str] = []
        with self._restored(), applied(self._pipeline, wish.loras, prepared.lora_files) as notes:
            tries = wish.best_of or wish.count
            run = _Run(send, tries)
            for number in range(tries):
                seed = (first_seed + number) % (ranges.MAX_SEED + 1)
                made, remarks = self._one(prepared, seed, run, stopped)
                images.append(made)
                told += remarks
            candidates: tuple[Candidate, ...] = ()
            if wish.best_of is not None:
                images, candidates, why = keep_best(images, wish.count)
                told.append(why)
            if wish.compare_colours:
                images = [self._beside_plain(images[0], prepared, run, stopped), *images[1:]]
        for made in images:
            told += _remarks(made, wish)
        return GenerationResult(
            images=tuple(images),
            settings={**prepared.settings(), **self._provenance, **self._running()},
            profile=self.profile.name,
            seconds=time.perf_counter() - started,
            references=prepared.identity.reports,
            landmarks=prepared.landmarks,
            notes=tuple(dict.fromkeys((*prepared.notes, *notes, *told, *self._of_networks()))),
            controls=tuple((one.kind, one.picture) for one in prepared.controls),
            candidates=candidates,
        )

    def _one(
        self, prepared: Prepared, seed: int, run: _Run, stopped: Stopped
    ) -> tuple[GeneratedImage, tuple[str, ...]]:
        """A picture with its scores, and what should be known of it."""
        picture = self._made(prepared, seed, run.tell, stopped)
        run.finished(picture)
        plain = self._scored(picture, prepared, seed)
        if prepared.request.refine == "never":
            return plain, ()

        def again(face: Prepared) -> Image.Image:
            return self._made(face, seed, run.refining, stopped)

        better = refined(picture, prepared.places, prepared, self.profile, self.analyzer, again)
        if not better.changed:
            return plain, better.notes
        run.replaced(better.image)
        made = replace(self._scored(better.image, prepared, seed), before=Before(picture, plain.identity))
        return made, better.notes

    def _made(self, prepared: Prepared, seed: int, tell: Tell, stopped: Stopped) -> Image.Image:
        nets = self._control_nets.of(prepared.controls, self._pipeline)
        return make_picture(self._pipeline, self._scheduler_config, prepared, nets, seed, tell, stopped)

    def _beside_plain(self, made: GeneratedImage, prepared: Prepared, run: _Run, stopped: Stopped) -> GeneratedImage:
        """The same with its colours compared to those of the picture of its seed without identity."""
        plain = replace(prepared, request=replace(prepared.request, identity_net_scale=0.0, adapter_scale=0.0))
        picture = self._made(plain, made.seed, run.comparing, stopped)
        return replace(made, colours=compared(made.image, picture))

    def _scored(self, picture: Image.Image, prepared: Prepared, seed: int) -> GeneratedImage:
        embeddings = [identity.embedding for identity in prepared.identities]
        frame = prepared.scene.frame
        made_anew = None if frame is None else frame.mask
        scores, swapped = scores_of(picture, embeddings, prepared.places, self.analyzer, made_anew)
        likeness = [score.identity for score in scores if score.identity is not None]
        errors = [score.keypoint_error for score in scores if score.keypoint_error is not None]
        return GeneratedImage(
            picture,
            seed,
            identity=min(likeness) if len(likeness) == len(scores) else None,
            keypoint_error=float(np.mean(errors)) if errors else None,
            people=scores if len(scores) > 1 else (),
            swapped=swapped,
        )

    @contextmanager
    def _restored(self) -> Iterator[None]:
        """Whatever happens within, the pipeline is afterwards as it was loaded."""
        vae, usual = self._pipeline.vae, self._pipeline.vae.dtype
        try:
            yield
        finally:
            self._pipeline.scheduler = self._pristine_scheduler
            if vae.dtype != usual:  # img2img brings it to the networks' precision
                vae.to(dtype=usual)
            self._control_nets.rest()
            self._pipeline.maybe_free_model_hooks()


def _remarks(made: GeneratedImage, wish: GenerationRequest) -> list[str]:
    told = []
    if made.swapped:
        told.append(
            f"In the picture of seed {made.seed} two people look like each other's reference. Try another seed."
        )
    if made.colours is not None and (hint := made.colours.hint(wish)):
        told.append(hint)
    return told


class _Run:
    """Where one request stands, told as Progress."""

    def __init__(self, send: Send, count: int) -> None:
        self._send = send
        self._count = count
        self._done: list[Image.Image] = []
        self._started = time.perf_counter()

    def tell(self, step: int, total: int, preview: Image.Image | None) -> None:
        made = len(self._done) * total + step
        left = (time.perf_counter() - self._started) / made * (self._count * total - made)
        previews = (*self._done, preview) if preview else ()
        self._send(Progress("denoising", made, self._count * total, previews, left))

    def refining(self, step: int, total: int, preview: Image.Image | None) -> None:
        self._send(Progress("refining", step, total, (*self._done[:-1], preview) if preview else ()))

    def comparing(self, step: int, total: int, preview: Image.Image | None) -> None:
        self._send(Progress("comparing", step, total))

    def replaced(self, picture: Image.Image) -> None:
        """The last picture has become a better one."""
        self._done[-1] = picture

    def finished(self, picture: Image.Image) -> None:
        self._done.append(picture)
        self._send(Progress("scoring", len(self._done), self._count, tuple(self._done)))
