"""The choice of what runs the networks: what is offered, and what a choice does."""

from dataclasses import replace

import pytest

from errors import RequestError, WeightsError
from generation.background import EngineRoom
from generation.settings import Settings
from openvino_backend.manifest import Entry, Manifest
from ui.runs_on import runs_on_choice, ways_of
from weights.registry import PROFILES

MINIATURE = PROFILES["miniature"]
TORCH, INT8, FP16 = "PyTorch", "OpenVINO, int8", "OpenVINO, fp16"


@pytest.fixture
def settings(tmp_path):
    """With two exports that are there by their manifests."""
    networks = dict.fromkeys(("unet", "identity_net", "vae_decoder"), Entry("", "", 0, ()))
    for precision in ("fp16", "int8"):
        (tmp_path / precision).mkdir()
        Manifest("miniature", precision, (), networks).write(tmp_path / precision)
    return Settings(exports=tmp_path)


def test_what_is_exported_is_offered(settings, tmp_path):
    _, others, way = ways_of(MINIATURE, settings)
    assert (way, set(others)) == (TORCH, {FP16, INT8})
    _, others, way = ways_of(MINIATURE, replace(settings, backend="openvino"))
    assert (way, set(others)) == (FP16, {TORCH, INT8})
    _, others, way = ways_of(MINIATURE, replace(settings, exports=tmp_path / "nothing"))
    assert (way, others) == (TORCH, {})
    _, others, _ = ways_of(PROFILES["sdxl"], replace(settings, base="mine.safetensors"))
    assert others == {}


def test_without_a_choice_none_is_shown():
    assert not runs_on_choice(EngineRoom(lambda told: None)).visible
    assert runs_on_choice(EngineRoom(lambda told: None, {INT8: lambda told: None})).visible


def test_a_choice_loads_the_engine_anew():
    room = EngineRoom(lambda told: "torch", {INT8: lambda told: "compiled"})
    room.start(wait=True)
    assert (room.engine, room.way) == ("torch", TORCH)
    room.choose(INT8)
    assert room.settled(10)
    assert (room.engine, room.way) == ("compiled", INT8)
    room.choose(INT8)
    assert room.engine == "compiled"
    with pytest.raises(RequestError, match="no such way"):
        room.choose("TPU")


def test_a_choice_that_cannot_be_loaded_is_told_and_another_can_follow():
    def broken(told):
        raise WeightsError("Not exported.")

    room = EngineRoom(lambda told: "torch", {INT8: broken})
    room.start(wait=True)
    room.choose(INT8)
    assert room.settled(10)
    assert room.state == "failed"
    room.choose(TORCH)
    assert room.settled(10)
    assert room.engine == "torch"
