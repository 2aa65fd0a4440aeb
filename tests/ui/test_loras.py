"""The list of LoRAs: what is taken, what is refused with a cure, and that uploaded files go."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ui.inbox import Inbox
from ui.loras import MOST, add_file, add_named, change, loras_html, loras_of
from ui.results import forget
from ui.session import ChosenLora, Session


@pytest.fixture
def uploaded(tmp_path: Path) -> Path:
    folder = tmp_path / "uploads" / "abc"
    folder.mkdir(parents=True)
    save_file({"unet.x.lora_A.weight": torch.zeros(2, 2)}, folder / "my style.safetensors")
    return folder / "my style.safetensors"


def test_an_uploaded_file_is_kept_for_the_visit_and_goes_with_it(tmp_path: Path, uploaded: Path) -> None:
    session = Session()
    add_file(session, Inbox(tmp_path / "uploads"), str(uploaded), tmp_path / "loras")
    (lora,) = session.loras
    assert lora.name == "my_style.safetensors"
    assert not uploaded.exists()
    assert Path(lora.path).is_file()
    change(session, 0, "weight", "0.35")
    (wanted,) = loras_of(session)["loras"]
    assert (wanted.path, wanted.weight) == (lora.path, 0.35)
    forget(session)
    assert not list((tmp_path / "loras").rglob("*.safetensors"))


def test_a_removed_file_is_deleted(tmp_path: Path, uploaded: Path) -> None:
    session = Session()
    add_file(session, Inbox(tmp_path / "uploads"), str(uploaded), tmp_path / "loras")
    file = Path(session.loras[0].path)
    change(session, 0, "remove", "")
    assert not file.exists()
    assert loras_of(session) == {}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.safetensors", b"PK not a lora"),
        ("a.safetensors", b""),
        ("a.safetensors", (99_999).to_bytes(8, "little") + b"[" * 99_999),
        ("a.safetensors", (9 * 2**20).to_bytes(8, "little") + b"{}".ljust(9 * 2**20)),
        ("a.pt", b"x" * 99),
    ],
)
def test_a_file_that_is_none_is_refused_and_deleted(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / "uploads" / name
    file.parent.mkdir()
    file.write_bytes(content)
    session = Session()
    add_file(session, Inbox(tmp_path / "uploads"), str(file), tmp_path / "loras")
    assert session.loras == []
    assert session.told["loras"]
    assert "refused" in loras_html(session)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["", "  ", "/etc/passwd", "../x/y", "style", "a/b/../c.safetensors"])
def test_visitors_name_no_files_of_the_server(name: str) -> None:
    session = Session()
    add_named(session, name)
    assert session.loras == []
    assert "That is no LoRA" in session.told["loras"] or "not on this machine" in session.told["loras"]


def test_a_file_of_the_server_is_not_named_even_when_it_is_there(tmp_path: Path, monkeypatch, uploaded: Path) -> None:
    monkeypatch.chdir(uploaded.parent)
    session = Session()
    add_named(session, uploaded.name)
    assert session.loras == []


def test_repositories_are_listed_once_and_there_is_an_end() -> None:
    session = Session()
    add_named(session, "owner/style")
    add_named(session, "owner/style")
    assert len(session.loras) == 1
    assert "already" in session.told["loras"]
    session.loras = [ChosenLora(f"a/{number}", f"a/{number}") for number in range(MOST)]
    add_named(session, "owner/more")
    assert len(session.loras) == MOST
