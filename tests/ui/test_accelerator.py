"""The way to a borrowed GPU: how long it is booked, and how errors come back from another process."""

import pickle
import threading
from types import SimpleNamespace

import pytest

from errors import OutOfMemory
from generation.request import Progress
from ui.accelerator import LONGEST_BOOKING, lent, seconds_needed


def prepared(**wish) -> SimpleNamespace:
    usual = {"width": 1024, "height": 1024, "steps": 30, "count": 1, "best_of": None, "refine": "never", "others": ()}
    return SimpleNamespace(request=SimpleNamespace(**{**usual, "compare_colours": False, **wish}))


def through_a_pipe(generate):
    """As a process boundary does: every event is pickled, an error that is raised keeps only its name."""

    def booked(*inputs):
        try:
            for event in generate(*inputs):
                yield pickle.loads(pickle.dumps(event))
        except Exception as error:
            raise RuntimeError(type(error).__name__) from None

    return booked


def room_of(generate) -> SimpleNamespace:
    return SimpleNamespace(require=lambda: SimpleNamespace(generate=generate))


def test_more_work_books_more_time_up_to_a_limit() -> None:
    assert seconds_needed(prepared()) < seconds_needed(prepared(steps=60)) < seconds_needed(prepared(steps=60, count=2))
    assert seconds_needed(prepared(width=512, height=512)) < seconds_needed(prepared())
    assert seconds_needed(prepared(best_of=3)) == seconds_needed(prepared(count=3)) > seconds_needed(prepared(count=2))
    assert seconds_needed(prepared(compare_colours=True)) == seconds_needed(prepared(count=2))
    assert seconds_needed(prepared(refine="auto")) < seconds_needed(prepared(refine="auto", others=(1,)))
    assert seconds_needed(prepared(steps=100, count=8)) == LONGEST_BOOKING


def test_an_error_comes_back_with_its_cure() -> None:
    def generate(_):
        yield Progress("denoising", 1, 2)
        raise OutOfMemory("The device ran out of memory.", cure="Make the picture smaller.")

    events = lent(room_of(generate), through_a_pipe)(prepared(), threading.Event())
    assert next(events).step == 1
    with pytest.raises(OutOfMemory, match="Make the picture smaller") as caught:
        next(events)
    assert caught.value.cure == "Make the picture smaller."


def test_a_cancelled_run_is_closed_there() -> None:
    closed = []

    def generate(_):
        try:
            for step in range(10):
                yield Progress("denoising", step, 10)
        finally:
            closed.append(True)

    cancel = threading.Event()
    events = lent(room_of(generate), through_a_pipe)(prepared(), cancel)
    next(events)
    cancel.set()
    assert list(events) == []
    assert closed == [True]
