"""One way of running a profile, measured in a process of its own so that its memory is its own."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from errors import InstantIDError
from generation.request import GenerationRequest
from generation.settings import Settings
from weights.registry import Profile

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from generation.engine import Engine

WARM_UP_STEPS = 2


@dataclass(frozen=True, eq=False)
class Measured:
    """What a variant did.

    Attributes:
        sizes: network -> bytes of its weights: in memory for torch, on disk for OpenVINO.
        load_seconds: from nothing to an engine, libraries included.
        seconds, processor_seconds: of each picture, by the clock and on all cores together.
        peak_bytes: highest resident memory of the process.
        images: (height, width, 3) uint8 RGB.
    """

    sizes: dict[str, int]
    load_seconds: float
    seconds: list[float]
    processor_seconds: list[float]
    peak_bytes: int
    images: list[np.ndarray]

    def pictures(self) -> list[Image.Image]:
        return [Image.fromarray(image) for image in self.images]


def measure(profile: Profile, settings: Settings, requests: Sequence[GenerationRequest]) -> Measured:
    """Runs the requests in a fresh process, after one that is not counted.

    Raises what loading and generating raise; RuntimeError when the process dies.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(theirs, profile, settings, list(requests)), daemon=True)
    process.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"the process that measured {settings.backend} ended with {process.exitcode}") from None
    process.join()
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _run(answer: Connection, profile: Profile, settings: Settings, requests: list[GenerationRequest]) -> None:
    try:
        answer.send(_measured(profile, settings, requests))
    except InstantIDError as error:
        answer.send(error)


def _measured(profile: Profile, settings: Settings, requests: list[GenerationRequest]) -> Measured:
    began = time.perf_counter()
    from generation.loading import load_engine

    engine = load_engine(profile, settings)
    loaded = time.perf_counter() - began
    made(engine, replace(requests[0], steps=WARM_UP_STEPS))
    images, seconds, processor = [], [], []
    for request in requests:
        clock, cores = time.perf_counter(), time.process_time()
        images.append(np.asarray(made(engine, request)))
        seconds.append(time.perf_counter() - clock)
        processor.append(time.process_time() - cores)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return Measured(sizes_of(profile, settings, engine), loaded, seconds, processor, peak, images)


def made(engine: Engine, request: GenerationRequest) -> Image.Image:
    """The picture of a request for one."""
    *_, result = engine.generate(request)
    return result.images[0].image  # type: ignore[union-attr]


def sizes_of(profile: Profile, settings: Settings, engine: Engine) -> dict[str, int]:
    """Bytes of each network, see `Measured.sizes`."""
    if settings.backend == "openvino":
        from generation.compiled import exports_of
        from openvino_backend.manifest import Manifest

        folder = exports_of(profile, settings) / settings.precision
        manifest = Manifest.read(folder)
        assert manifest is not None, "it was loaded before"
        return {name: (folder / f"{name}.bin").stat().st_size for name in manifest.networks}
    pipeline: Any = engine._pipeline
    networks = {
        "text_encoder": pipeline.text_encoder,
        "text_encoder_2": pipeline.text_encoder_2,
        "resampler": pipeline.image_proj_model,
        "unet": pipeline.unet,
        "identity_net": pipeline.identity_net,
        "vae_decoder": pipeline.vae.decoder,
        "vae_encoder": pipeline.vae.encoder,
    }
    sizes = {name: _bytes(network) for name, network in networks.items()}
    sizes["unet"] -= sizes["resampler"]
    for name, model in (("face_detector", engine.analyzer.detector), ("face_recogniser", engine.analyzer.recogniser)):
        sizes[name] = Path(model.model_file).stat().st_size
    return sizes


def _bytes(network: Any) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())
