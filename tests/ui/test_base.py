"""Another base for the whole page: told why not, and what was loaded stays when it fails."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import save_file
from torch import zeros

from app import profile_of
from errors import RequestError, WeightsError
from generation.background import EngineRoom
from generation.settings import Settings
from ui.base import Bases, base_html
from weights.registry import PROFILES

ROOT = Path(__file__).parents[2]


class Engine:
    device = "cpu"
    waiting = 0

    def __init__(self, name: str) -> None:
        self.profile = replace(PROFILES["sdxl"], title=name)


def room_with(name: str = "first") -> EngineRoom:
    room = EngineRoom(lambda _: Engine(name))
    room.start(wait=True)
    return room


def test_other_weights_take_the_place_of_these() -> None:
    room = room_with()
    room.change(lambda _: lambda _: Engine("second"), wait=True)
    assert room.require().profile.title == "second"
    assert (room.changing, room.refused) == (False, None)


def test_what_was_loaded_comes_back_when_the_others_do_not_load() -> None:
    room = room_with()

    def broken(_: object) -> Engine:
        raise WeightsError("It is torn.", cure="Bring it again.")

    room.change(lambda _: broken, wait=True)
    assert room.require().profile.title == "first"
    assert str(room.refused) == "It is torn. Bring it again."


def test_weights_that_do_not_fit_are_refused_before_anything_is_unloaded() -> None:
    room = room_with()
    engine = room.engine

    def prepare(_: object):
        raise RequestError("No SDXL.", field="base")

    room.change(prepare, wait=True)
    assert room.engine is engine
    assert room.refused is not None


def test_a_file_that_is_no_sdxl_says_what_it_is(tmp_path: Path) -> None:
    file = tmp_path / "old.safetensors"
    save_file({"input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": zeros(8, 768)}, file)
    room = room_with()
    bases = Bases(room, PROFILES["sdxl"], Settings(models_dir=tmp_path, offline=True))
    room.change(lambda told: bases._prepared(str(file), None, told), wait=True)
    assert room.require().profile.title == "first"
    assert "refused" in base_html(bases)
    assert "old.safetensors" in re.sub("<[^>]+>", "", base_html(bases))


def test_the_drawn_people_have_one_base(tmp_path: Path) -> None:
    bases = Bases(room_with(), PROFILES["miniature"], Settings(models_dir=tmp_path))
    with pytest.raises(RequestError) as told:
        bases.load("owner/model", "")
    assert told.value.cure


def test_the_fold_is_there_only_where_the_deployment_allows_it(tmp_path: Path) -> None:
    """In a process of its own: gradio leaves event loops open when a page is built and never served."""
    program = """
import json, pathlib, sys
from generation.background import EngineRoom
from generation.settings import Settings
from ui.base import Bases
from ui.studio import build_page
from weights.registry import PROFILES
room, profile = EngineRoom(None), PROFILES["sdxl"]
for bases in (None, Bases(room, profile, Settings())):
    page = build_page(room, profile, pathlib.Path(sys.argv[1]), bases=bases)
    print(json.dumps(sorted(filter(None, (block.elem_id for block in page.blocks.values())))))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    usual, allowed = (set(names) for names in map(json.loads, done.stdout.splitlines()))
    assert allowed - usual == {"base", "base-name", "base-vae", "base-load", "base-told"}
    assert {"pose-on", "canny-on", "depth-on", "way"} <= usual, "the photographic weights have all kinds"


def test_a_page_with_a_base_of_its_own_has_the_sizes_of_sdxl() -> None:
    assert profile_of(Settings(profile="miniature")).name == "miniature"
    assert profile_of(Settings(profile="miniature", base="owner/model")).name == "sdxl"
    assert profile_of(Settings(profile="realvisxl", base="owner/model")).name == "realvisxl"


def test_two_changes_at_once_are_refused() -> None:
    room = EngineRoom(lambda _: Engine("first"))
    with pytest.raises(WeightsError):
        room.change(lambda _: lambda _: Engine("second"))
