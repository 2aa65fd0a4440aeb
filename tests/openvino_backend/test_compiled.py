"""A network whose answer is lost at a shorter precision, and what is asked of a device."""

import logging
import subprocess
import sys

import numpy as np
import openvino
import pytest
from openvino import opset13 as operations

from errors import BrokenPicture, RequestError
from openvino_backend.compiled import Device, Network
from openvino_backend.runtime import Export
from tests.openvino_backend.tiny_export import EXACT

EDGE = 3.4e38
"""Finite at 32 bits; the next number of bfloat16 is infinite."""


def network(tmp_path, name, factor, device):
    """x times a matrix, as the output `name`."""
    x = operations.parameter([1, 16], np.float32, name="x")
    product = operations.matmul(x, np.eye(16, dtype=np.float32) * np.float32(factor), False, False)
    product.output(0).get_tensor().set_names({name})
    openvino.save_model(openvino.Model([product], [x], "toy"), tmp_path / "toy.xml", compress_to_fp16=False)
    return Network(tmp_path / "toy.xml", device)


def row(first):
    values = np.linspace(-1, 1, 16, dtype=np.float32)[None]
    values[0, 0] = first
    return values


def test_what_overflows_is_computed_again_at_32_bits_and_told(tmp_path, caplog):
    toy = network(tmp_path, "noise", 1, Device("CPU", "bfloat16"))
    if toy.arithmetic != "bf16":
        pytest.skip("this processor does not compute at bfloat16")
    fine = toy.run({"x": row(2)})[0].copy()
    assert toy.lost_at is None
    with caplog.at_level(logging.WARNING):
        answer = toy.run({"x": row(EDGE)})[0]
    assert np.allclose(answer, row(EDGE))
    assert (toy.lost_at, toy.arithmetic) == ("bf16", "f32")
    assert "lost the picture at bf16" in caplog.text
    assert not np.array_equal(toy.run({"x": row(2)})[0], fine)  # from now on


@pytest.mark.parametrize(
    ("name", "factor", "first"), [("noise", 1, np.nan), ("residual", 1, np.inf), ("noise", 0, 1), ("pixels", 0, 1)]
)
def test_what_is_lost_at_32_bits_too_is_no_picture(tmp_path, name, factor, first):
    toy = network(tmp_path, name, factor, EXACT)
    with pytest.raises(BrokenPicture, match=r"toy lost the picture on CPU, at 32 bits too"):
        toy.run({"x": row(first)})


def test_one_black_picture_among_others_is_lost_too(tmp_path):
    x = operations.parameter([-1, 16], np.float32, name="x")
    doubled = operations.add(x, x)
    doubled.output(0).get_tensor().set_names({"pixels"})
    openvino.save_model(openvino.Model([doubled], [x], "toy"), tmp_path / "toy.xml", compress_to_fp16=False)
    toy = Network(tmp_path / "toy.xml", EXACT)
    assert toy.run({"x": np.concatenate([row(1), row(2)])})[0].shape == (2, 16)
    with pytest.raises(BrokenPicture, match="toy lost the picture"):
        toy.run({"x": np.concatenate([row(1), 0 * row(1)])})


@pytest.mark.parametrize("device", ["AUTO", "AUTO:CPU"])
def test_a_device_that_openvino_chooses(tmp_path, device):
    toy = network(tmp_path, "noise", 1, Device(device, "float32"))
    assert np.allclose(toy.run({"x": row(2)})[0], row(2))
    assert (toy.devices, toy.arithmetic) == (["CPU"], "f32")
    assert network(tmp_path, "noise", 1, Device(device)).arithmetic in ("f32", "bf16", "f16")


def test_residuals_may_be_nought(tmp_path):
    """A ControlNet at the beginning of its training has no others."""
    assert not network(tmp_path, "residual", 0, EXACT).run({"x": row(1)})[0].any()


def test_every_result_tells_of_it(exported):
    export = Export(exported, EXACT)
    network = export.network("unet")
    assert export.remarks() == ()
    network.lost_at = "f16"
    assert export.remarks() == ("unet lost the picture at f16 on CPU; it is computed at 32 bits.",)


def test_no_such_precision():
    with pytest.raises(RequestError, match="no precision 'float8'"):
        Device("CPU", "float8").properties()


GIVEN_BACK = """
import gc, os, signal, sys, threading
from pathlib import Path
import numpy as np
from openvino_backend.compiled import Device, Network
held = [Network(Path(sys.argv[1]), Device("CPU", "float32"))]
held[0].run({"x": np.linspace(-1, 1, 16, dtype=np.float32)[None]})
thread = threading.Thread(target=lambda: (held.clear(), gc.collect()))
thread.start()
thread.join()
signal.signal(signal.SIGTERM, lambda *_: print("told to end"))
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_process_outlives_a_signal_after_its_networks_went(tmp_path):
    network(tmp_path, "noise", 1, EXACT)
    done = subprocess.run(
        [sys.executable, "-c", GIVEN_BACK, str(tmp_path / "toy.xml")], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout.strip()) == (0, "told to end"), done.stderr
