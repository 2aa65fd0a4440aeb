"""What the tests of the training program share."""

import pytest
import torch

from tests.training.drawn_world import drawn_shards
from tests.training.small_miniature import small_world


@pytest.fixture(scope="session")
def shards(tmp_path_factory):
    """Twelve pictures of four drawn people in three shards."""
    return drawn_shards(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A tiny run of the miniature's training from nothing."""
    return small_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def one_thread():
    """Sums over several threads differ in their last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
