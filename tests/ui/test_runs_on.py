"""The choice of what runs the networks: what is offered, and what a choice does."""

import time
from dataclasses import replace

import pytest

from errors import RequestError, WeightsError, WeightsMissing
from generation.background import EngineRoom
from generation.compiled import available, command, exports_of, pick_precision
from generation.settings import Settings
from openvino_backend.manifest import NETWORKS, Entry, Manifest
from ui.runs_on import as_it_runs, runs_on_choice, ways_of
from weights.registry import PROFILES

MINIATURE = PROFILES["miniature"]
TORCH, INT8, FP16 = "PyTorch", "OpenVINO, int8", "OpenVINO, fp16"


@pytest.fixture
def settings(tmp_path):
    """With two exports that are there by their manifests."""
    networks = dict.fromkeys(NETWORKS, Entry("", "", 0, ()))
    for precision in ("fp16", "int8"):
        (tmp_path / precision).mkdir()
        Manifest("miniature", precision, (), networks).write(tmp_path / precision)
    return Settings(exports=tmp_path, choose_base=True)


def test_what_is_exported_is_offered(settings, tmp_path):
    _, others, way = ways_of(MINIATURE, settings)
    assert (way, set(others)) == (TORCH, {FP16, INT8})
    _, others, way = ways_of(MINIATURE, replace(settings, backend="openvino"))
    assert (way, set(others)) == (FP16, {TORCH, INT8})
    _, others, way = ways_of(MINIATURE, replace(settings, exports=tmp_path / "nothing"))
    assert (way, others) == (TORCH, {})
    _, others, way = ways_of(MINIATURE, replace(settings, choose_base=False))
    assert (way, others) == (TORCH, {})
    _, others, _ = ways_of(PROFILES["sdxl"], replace(settings, base="mine.safetensors"))
    assert others == {}


def test_an_export_that_was_stopped_is_not_offered(settings, tmp_path):
    unfinished = dict.fromkeys(NETWORKS[:-2], Entry("", "", 0, ()))
    Manifest("miniature", "int8", (), unfinished).write(tmp_path / "int8")
    assert available(MINIATURE, settings) == ["fp16"]
    with pytest.raises(WeightsMissing, match="not wholly exported") as caught:
        pick_precision(MINIATURE, replace(settings, precision="int8"))
    assert f"quantize --profile miniature --precision int8 --out {tmp_path}" in str(caught.value.cure)


def test_bases_of_one_name_have_exports_of_their_own(tmp_path):
    bases = [
        replace(PROFILES["sdxl"], name="mine", checkpoint=tmp_path / folder / "mine.safetensors") for folder in "ab"
    ]
    folders = {exports_of(profile, Settings(models_dir=tmp_path)).name for profile in (*bases, PROFILES["sdxl"])}
    assert len(folders) == 3
    assert "sdxl" in folders
    other_decoder = replace(PROFILES["sdxl"], vae=None)
    assert exports_of(other_decoder, Settings(models_dir=tmp_path)).name not in folders
    assert command("export", bases[0], Settings(base="a/mine.safetensors")).endswith("export --base a/mine.safetensors")


def test_without_a_choice_none_is_shown():
    assert not runs_on_choice(EngineRoom(lambda told: None)).visible
    assert runs_on_choice(EngineRoom(lambda told: None, {INT8: lambda told: None})).visible


def wait_for(what):
    for _ in range(100):
        if what():
            return
        time.sleep(0.1)
    raise TimeoutError


class Named:
    """What a room asks of an engine."""

    def __init__(self, name):
        self.name = name
        self.waiting = 0


def test_a_choice_loads_the_engine_anew_once_the_pictures_are_made():
    first = Named("torch")
    room = EngineRoom(lambda told: first, {INT8: lambda told: Named("compiled")})
    room.start(wait=True)
    assert (room.engine, room.way) == (first, TORCH)
    first.waiting = 1
    room.choose(INT8)
    with pytest.raises(WeightsError, match="being loaded"):
        room.choose(INT8)
    assert room.engine is first
    first.waiting = 0
    wait_for(lambda: not room.changing)
    assert (room.engine.name, room.way) == ("compiled", INT8)
    assert as_it_runs(room)["value"] == INT8
    compiled = room.engine
    room.choose(INT8)
    assert room.engine is compiled
    assert set(room.ways) == {TORCH, INT8}
    with pytest.raises(RequestError, match="no such way"):
        room.choose("TPU")


def test_a_choice_that_cannot_be_loaded_is_told_and_what_worked_comes_back():
    def broken(told):
        raise WeightsError("Not exported.")

    room = EngineRoom(lambda told: Named("torch"), {INT8: broken})
    room.start(wait=True)
    room.choose(INT8, wait=True)
    assert (room.engine.name, room.way, room.state) == ("torch", TORCH, "ready")
    assert room.refused.message == "Not exported."
