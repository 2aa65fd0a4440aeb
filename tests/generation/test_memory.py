"""What is loaded where, and how a lack of memory is recognised."""

import errno

import pytest
import torch

from errors import RequestError
from generation.memory import is_memory_error, pick_device, plan
from weights.registry import PROFILES

SDXL, MINIATURE = PROFILES["sdxl"], PROFILES["miniature"]


@pytest.mark.parametrize(
    ("free", "offload", "tiling"),
    [(80, "none", False), (15, "none", False), (11.5, "none", True), (10, "model", True), (5, "sequential", True)],
)
def test_a_card_gets_what_fits(free, offload, tiling):
    made = plan(SDXL, "cuda", free)
    assert (made.offload, made.tiling) == (offload, tiling)
    assert made.dtype == torch.float16


def test_more_memory_never_means_a_slower_way():
    ladder = ["sequential", "model", "none"]
    ranks = [ladder.index(plan(SDXL, "cuda", free / 2).offload) for free in range(1, 80)]
    assert ranks == sorted(ranks)


def test_the_cpu_computes_in_full_precision_where_it_fits():
    assert plan(SDXL, "cpu", 64).dtype == torch.float32
    assert plan(SDXL, "cpu", 16).dtype == torch.bfloat16
    assert plan(MINIATURE, "cpu", 1).dtype == torch.float32
    assert plan(MINIATURE, "cuda", 1).offload == "none"


def test_a_decoder_that_overflows_at_half_precision_gets_full_precision():
    from dataclasses import replace

    assert plan(replace(SDXL, vae=None), "cuda", 80).vae_dtype == torch.float32
    assert plan(SDXL, "cuda", 80).vae_dtype == torch.float16


def test_unknown_devices_and_precisions_are_refused():
    with pytest.raises(RequestError, match="There is no device tpu"):
        pick_device("tpu")
    with pytest.raises(RequestError) as told:
        plan(SDXL, "cpu", 64, dtype="int3")
    assert told.value.field == "dtype"
    assert pick_device("cpu") == "cpu"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (MemoryError(), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (RuntimeError("Caught _ArrayMemoryError in DataLoader worker process 0.\nUnable to allocate 9 GiB"), True),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (OSError(errno.ENOENT, "No such file: out of memory.txt"), False),
        (ValueError("out of memory"), False),
    ],
    ids=str,
)
def test_memory_errors_are_recognised(error, expected):
    assert is_memory_error(error) is expected
