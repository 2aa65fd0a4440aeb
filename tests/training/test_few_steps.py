"""The stage of few steps: distilled from a bundle of one's own, which then opens with it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from errors import WeightsCorrupt
from training.miniature.dataset import draw
from training.miniature.few_steps import BundleStore, few_steps
from weights.bundle import check, read_sums
from weights.published import ASSETS, LCM_LORA, MINIATURE, Part
from weights.store import Store

pytestmark = pytest.mark.usefixtures("one_thread", "a_process_of_its_own")


@pytest.fixture
def a_process_of_its_own() -> Iterator[None]:
    """accelerate keeps one precision for a whole process; the stage learns in another than the tests beside it."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """The shipped bundle in a folder of its own."""
    return Path(shutil.copytree(ASSETS / "miniature", tmp_path / "bundle"))


def test_the_store_opens_the_folder_it_was_given(bundle: Path) -> None:
    store = BundleStore(bundle)
    assert store.path(Part(MINIATURE, "base")) == bundle / "base"
    assert store.path(MINIATURE) == bundle
    assert Store(None, offline=True).status(LCM_LORA) == store.status(LCM_LORA)


def test_a_damaged_bundle_is_not_opened(bundle: Path) -> None:
    (bundle / "ip-adapter.safetensors").write_bytes(b"other")
    with pytest.raises(WeightsCorrupt, match="ip-adapter"):
        BundleStore(bundle).path(Part(MINIATURE, "base"))


def test_the_lora_is_learnt_and_goes_into_the_bundle(bundle: Path, tmp_path: Path) -> None:
    draw(10, 5, 0, tmp_path / "data" / "pictures", processes=1)
    shipped = load_file(bundle / "loras" / "lcm.safetensors")
    few_steps(tmp_path / "data", tmp_path / "out", steps=1, to=bundle)
    made = load_file(bundle / "loras" / "lcm.safetensors")
    assert {name: value.shape for name, value in made.items()} == {name: value.shape for name, value in shipped.items()}
    check(bundle)
    before, after = read_sums(ASSETS / "miniature"), read_sums(bundle)
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == ["loras/lcm.safetensors"]
