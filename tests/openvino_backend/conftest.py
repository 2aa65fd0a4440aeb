"""One export of the toy, and one of the miniature, for all tests of the room."""

import pytest

from generation.compiled import sources_of
from openvino_backend.export import export
from tests.openvino_backend.tiny_export import write_sources
from weights.registry import PROFILES
from weights.store import Store


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    return write_sources(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def exported(sources, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports") / "fp32"
    export(sources, folder, "tiny", "fp32")
    return folder


@pytest.fixture(scope="session")
def miniature_export(tmp_path_factory):
    """Folder of the exports; not to be changed."""
    folder = tmp_path_factory.mktemp("miniature")
    export(sources_of(PROFILES["miniature"], Store()), folder / "fp32", "miniature", "fp32")
    return folder
