"""The weights load beside the page, and a failure is told and can be tried again."""

import pytest

from errors import WeightsError, WeightsMissing
from generation.background import EngineRoom
from ui.header import header_html
from weights.registry import PROFILES


class Engine:
    device = "cpu"


def at_once(_: object) -> Engine:
    return Engine()


def test_the_page_waits_for_the_engine() -> None:
    room = EngineRoom(at_once)
    assert room.state == "loading"
    with pytest.raises(WeightsError):
        room.require()
    room.start()
    assert room.settled(5)
    assert room.state == "ready"
    assert isinstance(room.require(), Engine)


def test_a_failure_keeps_its_cure_and_a_second_try_may_work() -> None:
    tries = []

    def load(_: object) -> Engine:
        tries.append(1)
        if len(tries) == 1:
            raise WeightsMissing("unet is missing.", cure="Run the download command.")
        return Engine()

    room = EngineRoom(load)
    room.start(wait=True)
    assert room.state == "failed"
    with pytest.raises(WeightsMissing, match="unet is missing"):
        room.require()
    shown = header_html(room, PROFILES["sdxl"])
    assert "unet is missing." in shown and "Run the download command." in shown
    room.start(wait=True)
    assert (room.state, len(tries)) == ("ready", 2)
    room.start(wait=True)
    assert len(tries) == 2, "what is loaded is not loaded again"


def test_an_unforeseen_failure_is_no_dead_page() -> None:
    room = EngineRoom(lambda _: Engine.nothing_like_it)
    room.start(wait=True)
    assert isinstance(room.error, WeightsError)
    assert "doctor" in str(room.error)


def test_the_header_names_the_weights() -> None:
    room = EngineRoom(at_once)
    assert "loading" in header_html(room, PROFILES["miniature"])
    room.start(wait=True)
    shown = header_html(room, PROFILES["miniature"])
    assert "drawn people" in shown and "CPU" in shown and "--profile realvisxl" in shown
    assert "drawn" not in header_html(room, PROFILES["sdxl"])


def test_the_header_follows_a_download() -> None:
    headers = []

    def load(told) -> Engine:
        told("unet/weights.safetensors", 1_200_000_000, 5_100_000_000)
        headers.append(header_html(room, PROFILES["sdxl"]))
        return Engine()

    room = EngineRoom(load)
    room.start(wait=True)
    assert "downloading unet/weights.safetensors, 1.2 of 5.1 GB" in headers[0]
    assert "downloading" not in header_html(room, PROFILES["sdxl"])
