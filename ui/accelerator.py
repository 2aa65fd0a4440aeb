"""The part of a run that needs the GPU. On ZeroGPU it is lent for a while, in a process forked from this one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from errors import InstantIDError
from generation.settings import on_zero_gpu

if TYPE_CHECKING:
    from generation.background import EngineRoom
    from generation.prepare import Prepared
    from generation.request import GenerationResult, Progress

Generate = Callable[["Prepared", threading.Event], Iterator["Progress | GenerationResult"]]

# Estimated, not measured: SDXL with IdentityNet and guidance takes about 19 TFLOP a step and megapixel, and the slice
# that ZeroGPU lends is assumed to reach 100 TFLOP/s. A shorter booking is served sooner, one too short is cut off.
SECONDS_PER_STEP_AND_MEGAPIXEL = 0.2
SECONDS_AROUND_A_PICTURE = 3.0
SECONDS_AROUND_A_RUN = 8.0
REFINED_SHARE = 0.5  # of a run, for a small face that is made again from the picture, with what is around it
LONGEST_BOOKING = 120  # seconds that a visitor without an account has a day


def seconds_needed(prepared: Prepared) -> int:
    """How long the GPU is booked for this request, in whole seconds."""
    wish = prepared.request
    megapixels = (wish.width or 1024) * (wish.height or 1024) / 1e6
    each = (wish.steps or 30) * megapixels * SECONDS_PER_STEP_AND_MEGAPIXEL + SECONDS_AROUND_A_PICTURE
    if wish.refine != "never":
        each += (len(wish.others) + 1) * REFINED_SHARE * each
    made = (wish.best_of or wish.count) + wish.compare_colours
    return min(LONGEST_BOOKING, round(SECONDS_AROUND_A_RUN + each * made))


def accelerated(room: EngineRoom) -> Generate:
    """`Engine.generate` of the room's engine, booked on ZeroGPU where that is what runs the app."""
    if not on_zero_gpu():
        return lambda prepared, cancel: room.require().generate(prepared, cancel)
    import spaces

    return lent(room, spaces.GPU(duration=seconds_needed))


def lent(room: EngineRoom, book: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Generate:
    """`Engine.generate` in another process.

    Args:
        book: decorator that runs a generator function there. Errors do not survive the way back as what they were, so
            those that a visitor can understand travel as events.
    """

    def generate(prepared: Prepared) -> Iterator[Any]:
        try:
            yield from room.require().generate(prepared)
        except InstantIDError as error:
            yield error

    booked = book(generate)

    def run(prepared: Prepared, cancel: threading.Event) -> Iterator[Progress | GenerationResult]:
        # An event of this process is not seen in the forked one: closing the iterator ends the run there.
        events = booked(prepared)
        try:
            for event in events:
                if cancel.is_set():
                    return
                if isinstance(event, InstantIDError):
                    raise event
                yield event
        finally:
            events.close()

    return run
