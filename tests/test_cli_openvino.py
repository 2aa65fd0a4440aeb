"""`cli.py openvino ...`: what it says when something is missing, and its tables."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

import cli
from commands import openvino_compare as comparing
from errors import InstantIDError
from generation import compiled
from openvino_backend import installed
from weights.registry import PROFILES
from weights.store import Store


def refused(*arguments):
    """The error of ours that a command ends with."""
    result = CliRunner().invoke(cli.app, ["openvino", *map(str, arguments)])
    assert isinstance(result.exception, InstantIDError), result.output
    return str(result.exception)


def test_without_the_package_every_command_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(installed.importlib.util, "find_spec", lambda name: None)
    for command in ("export", "quantize", "compare", "bench"):
        assert "pip install -r requirements-openvino.txt" in refused(command)


def test_without_an_export_the_command_that_makes_one_is_named(tmp_path):
    for command in (("quantize", "--out"), ("compare", "--exports"), ("bench", "--exports")):
        said = refused(command[0], "--profile", "miniature", command[1], tmp_path)
        assert "python cli.py openvino export --profile miniature" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("export", "--precision", "int8"), "not exported at 'int8'"),
        (("export", "--control", "smell"), "no ControlNet for smell"),
        (("export", "--lora", "nothing.safetensors:0.5"), "not on this machine"),
        (("compare", "--profile", "sdxl"), "Give --people"),
        (("compare", "--report", "README.md"), "no place for figures"),
    ],
)
def test_wishes_that_cannot_be_granted_are_told(arguments, said, tmp_path):
    place = ("--out", tmp_path) if arguments[0] == "export" else ("--exports", tmp_path)
    profile = () if "--profile" in arguments else ("--profile", "miniature")
    assert said in refused(*arguments, *profile, *place)
    assert not any(tmp_path.rglob("*.xml"))


LAYER = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
FIRST, SECOND = np.ones((2, 192), np.float32), np.ones((192, 2), np.float32)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"unet.nowhere.lora_A.weight": FIRST, "unet.nowhere.lora_B.weight": SECOND}, "does not fit these weights"),
        ({f"{LAYER}.lora_A.weight": FIRST[:, :9], f"{LAYER}.lora_B.weight": SECOND[:9]}, "does not fit these weights"),
        ({f"{LAYER}.lora_A.weight": FIRST}, "lacks the second half of 1 of its 1 parts"),
        ({f"{LAYER}.lora_A.weight": FIRST, f"{LAYER}.lora_magnitude_vector": SECOND[:, 0]}, "is a DoRA"),
    ],
    ids=["nowhere", "other widths", "half", "dora"],
)
def test_a_lora_that_cannot_be_fused_is_refused_before_anything_is_converted(tensors, said, tmp_path):
    save_file(tensors, tmp_path / "look.safetensors")
    wish = ("export", "--profile", "miniature", "--lora", f"{tmp_path / 'look.safetensors'}:0.5")
    assert said in refused(*wish, "--out", tmp_path / "exports")
    assert not (tmp_path / "exports").exists()


def test_what_of_a_lora_belongs_to_no_layer_is_told(tmp_path):
    layers = (LAYER, "unet.nowhere")
    save_file(
        {f"{one}.lora_A.weight": FIRST for one in layers} | {f"{one}.lora_B.weight": SECOND for one in layers},
        tmp_path / "look.safetensors",
    )
    sources = compiled.sources_of(PROFILES["miniature"], Store(), loras=((str(tmp_path / "look.safetensors"), 0.5),))
    assert compiled.check_loras(sources)[0].endswith("1 of its 2 parts belong to no layer here and had no effect.")


def variant(name, size, identity, first=None):
    return {
        "variant": name,
        "sizes": {"unet": size, "vae_decoder": size // 2},
        "bytes": size + size // 2,
        "load_seconds": 1.0,
        "seconds_a_picture": 2.0,
        "processor_seconds_a_picture": 3.5,
        "peak_bytes": 2**30,
        "psnr": None if first is None else 40.0,
        "identity": identity,
        "identity_conditioning": identity,
        "identity_loss": None if first is None else 1 - identity / first,
        "found": 1.0,
        "keypoint_error": 0.1,
        "yaw_error": 5.0,
        "prompt": dict.fromkeys(comparing.PROMPTED, 0.9),
        "pictures": 4,
    }


FOUND = [
    variant("torch", 8 << 20, 0.50),
    variant("fp16", 4 << 20, 0.50, 0.50),
    variant("int8", 2 << 20, 0.49, 0.50),
    variant("int4", 1 << 20, 0.40, 0.50),
]


def test_the_table_and_the_aims():
    table = comparing.table(FOUND)
    assert "| unet, MiB" in table and "| torch" in table and "all networks, MiB" in table
    assert json.loads(json.dumps(FOUND)) == FOUND
    told = comparing.aims(FOUND)
    assert told[0].startswith("INT8 has 50.0% of FP16's size") and told[0].endswith("reached.")
    assert "loses 2.0%" in told[1] and told[1].endswith("reached.")
    assert "loses 20.0%" in told[2] and told[2].endswith("missed by 10.0 points.")


def test_the_spread_of_a_loss_is_told():
    assert comparing.standard_error([0.5, 0.4, None], [0.4, 0.4, 0.3]) == pytest.approx(1 / 9)
    assert comparing.standard_error([0.5], [0.4]) is None
    told = comparing.aims([{**FOUND[2], "identity_loss_error": 0.034}])
    assert "(standard error 3.4% over 4 pictures)" in told[0]


def test_the_measured_part_of_a_report_is_renewed(tmp_path):
    report = tmp_path / "OPENVINO.md"
    report.write_text(f"before\n{comparing.BEGIN}old\n{comparing.END}after\n")
    comparing.renew(report, "python cli.py openvino compare", FOUND, tmp_path / "openvino/sheet.webp")
    text = report.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "(openvino/sheet.webp)" in text and "python cli.py openvino compare" in text


def test_signal_to_noise():
    black, grey = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 51, np.uint8)
    assert comparing.psnr([black], [black]) == 99.0
    assert comparing.psnr([black], [grey]) == pytest.approx(13.979, abs=1e-3)
