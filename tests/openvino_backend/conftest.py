"""One export of the toy for all tests of the room."""

import pytest

from openvino_backend.export import export
from tests.openvino_backend.tiny_export import write_sources


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    return write_sources(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def exported(sources, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports") / "fp32"
    export(sources, folder, "tiny", "fp32")
    return folder
