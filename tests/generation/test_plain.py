"""Plain SDXL in InstantID's place: the same events, pictures of the prompt alone."""

import shutil
import threading
from dataclasses import replace

import pytest

from errors import Cancelled, WeightsCorrupt
from generation.plain import NOTE, PlainEngine, load_plain
from generation.request import GenerationRequest, GenerationResult, Progress
from generation.settings import Settings
from style_presets import Style
from weights.registry import PROFILES


@pytest.fixture(scope="module")
def plain() -> PlainEngine:
    return load_plain(PROFILES["miniature"], Settings(profile="miniature", offline=True, device="cpu"))


def test_pictures_are_made_from_the_prompt_and_say_so(plain, photo) -> None:
    request = GenerationRequest(photos=(photo,), prompt="a man", seed=3, count=2, mode="turbo", steps=3, width=96)
    *progress, result = plain.generate(request)
    assert isinstance(result, GenerationResult)
    assert all(isinstance(event, Progress) for event in progress)
    assert [image.seed for image in result.images] == [3, 4]
    assert result.images[0].image.size == (96, 128)
    assert result.images[0].identity is None
    assert NOTE in result.notes
    assert result.settings["method"] == "sdxl_fallback"
    *_, again = plain.generate(GenerationRequest(photos=(photo,), prompt="a man", seed=4, steps=3, width=96))
    assert again.images[0].image.size == (96, 128)


def test_it_can_be_cancelled(plain, photo) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        list(plain.generate(GenerationRequest(photos=(photo,), steps=50), cancel))


def test_a_speed_that_is_not_there_is_told(plain, photo) -> None:
    *_, result = plain.generate(GenerationRequest(photos=(photo,), seed=3, mode="turbo", steps=3, width=96))
    assert any("turbo" in note for note in result.notes)
    *_, result = plain.generate(GenerationRequest(photos=(photo,), seed=3, steps=3, width=96))
    assert not any("speed mode" in note for note in result.notes)


def test_the_styles_of_the_deployment_are_known(plain, photo) -> None:
    own = PlainEngine(plain._pipeline, plain.profile, {"Mine": Style("Mine", "Mine", "{prompt} in chalk")})
    *_, result = own.generate(GenerationRequest(photos=(photo,), prompt="a man", style="Mine", seed=3, steps=2))
    assert result.settings["styled_prompt"] == "a man in chalk"


def test_a_damaged_adapter_leaves_the_base_usable(tmp_path) -> None:
    profile = PROFILES["miniature"]
    folder = profile.base.weight.folder
    assert folder is not None
    copy = shutil.copytree(folder, tmp_path / "copy")
    adapter = copy / "ip-adapter.safetensors"
    data = bytearray(adapter.read_bytes())
    data[-1] ^= 1
    adapter.write_bytes(data)
    weight = replace(profile.base.weight, folder=copy)
    damaged = replace(profile, base=replace(profile.base, weight=weight))
    assert load_plain(damaged, Settings(profile="miniature", offline=True, device="cpu")).profile is damaged


def test_a_base_that_is_not_whole_is_refused(tmp_path) -> None:
    profile = PROFILES["miniature"]
    folder = profile.base.weight.folder
    assert folder is not None
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "base" / "unet" / "config.json").write_text("{}")
    weight = replace(profile.base.weight, folder=copy)
    broken = replace(profile, base=replace(profile.base, weight=weight))
    with pytest.raises(WeightsCorrupt):
        load_plain(broken, Settings(profile="miniature", offline=True, device="cpu"))
