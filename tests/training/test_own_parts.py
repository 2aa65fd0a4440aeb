"""What a training run writes is what the product loads: told in the results, and refused where it does not fit."""

import json
import shutil
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

import cli
from errors import InstantIDError, RequestError, WeightsCorrupt
from generation.loading import load_engine
from generation.own_parts import TENSORS, with_own_parts
from generation.settings import Settings
from ip_adapter.attention import face_state
from outputs.metadata import read_settings
from tests.training.drawn_world import small_run
from training.run import run
from training.task import FaceTask
from weights.registry import ASSETS, PROFILES
from weights.store import Store

FACE = str(ASSETS / "examples" / "person_1.jpg")
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def learnt(shards, tmp_path_factory):
    """Folder of a run of two steps."""
    config = small_run(shards, tmp_path_factory.mktemp("learnt") / "run", steps=2)
    run(config, FaceTask, store=Store(None, True))
    return config.output


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs the command line; returns exit code and stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["cli.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, capsys.readouterr().err

    return call


def settings(learnt) -> Settings:
    return Settings(
        profile="miniature", adapter=learnt / "ip-adapter.safetensors", identity_net=learnt / "ControlNetModel"
    )


def test_the_engine_holds_what_was_learnt(learnt):
    engine = load_engine("miniature", settings(learnt))
    for group, tensors in face_state(engine._pipeline.unet).items():
        kept = load_file(learnt / "ip-adapter.safetensors")
        assert all(torch.equal(value, kept[f"{group}.{name}"].float()) for name, value in tensors.items())
    kept = load_file(learnt / "ControlNetModel" / TENSORS)
    held = engine._pipeline.identity_net.state_dict()
    assert held.keys() == kept.keys()
    assert all(torch.equal(held[name], value.float()) for name, value in kept.items())
    assert engine.profile.title.endswith("(your adapter and IdentityNet)")


def test_pictures_are_made_with_it_and_say_so(learnt, command, tmp_path):
    wish = ["generate", "--profile", "miniature", "--face", FACE, "--steps", "1", "--seed", "3", "--size", "96x96"]
    own = ["--adapter", learnt / "ip-adapter.safetensors", "--identity-net", learnt / "ControlNetModel"]
    code, told = command(*wish, *own, "--out", tmp_path / "own.png")
    assert code == 0, told
    assert "(your adapter and IdentityNet)" in told
    assert command(*wish, *own[:2], "--out", tmp_path / "half.png")[0] == 0
    assert command(*wish, "--out", tmp_path / "shipped.png")[0] == 0
    made, half, shipped = (read_settings(tmp_path / f"{name}.png") for name in ("own", "half", "shipped"))
    assert made["profile"] == shipped["profile"] == "miniature"
    assert set(made["weights"]) == {"miniature", "adapter of one's own", "identity_net of one's own"}
    assert set(half["weights"]) == {"miniature", "adapter of one's own"}
    assert half["weights"]["adapter of one's own"] == made["weights"]["adapter of one's own"]
    assert len({one["weights"]["miniature"] for one in (made, half, shipped)}) == 3, (
        "of what is not used nothing is told"
    )
    pictures = {(tmp_path / f"{name}.png").read_bytes() for name in ("own", "half", "shipped")}
    assert len(pictures) == 3
    assert str(learnt) not in json.dumps(made)


def test_another_step_of_the_run_is_another_weight(learnt, tmp_path):
    from generation.loading import fingerprint

    profile, store = PROFILES["miniature"], Store(None, True)
    tensors = load_file(learnt / "ip-adapter.safetensors")
    tensors["image_proj.latents"] = tensors["image_proj.latents"] * 1.01
    save_file(tensors, tmp_path / "later.safetensors")
    files = learnt / "ip-adapter.safetensors", tmp_path / "later.safetensors"
    assert len({str(fingerprint(with_own_parts(profile, file, None), store)) for file in files}) == 2


def spoilt_adapter(learnt, tmp_path, change):
    tensors = load_file(learnt / "ip-adapter.safetensors")
    change(tensors)
    save_file(tensors, tmp_path / "ip-adapter.safetensors")
    return Settings(profile="miniature", adapter=tmp_path / "ip-adapter.safetensors")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensors: tensors.pop("image_proj.norm_out.bias"), r"1 missing \(image_proj.norm_out.bias\)"),
        (
            lambda tensors: tensors.update({"ip_adapter.1.to_k_ip.weight": torch.zeros(3, 3)}),
            r"wrong shape .*1.to_k_ip",
        ),
    ],
)
def test_an_adapter_that_does_not_fit_names_its_tensors(learnt, tmp_path, change, words):
    with pytest.raises(WeightsCorrupt, match=words):
        load_engine("miniature", spoilt_adapter(learnt, tmp_path, change))


def other_table(**changes):
    def change(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return change


def other_tensor(folder):
    tensors = load_file(folder / TENSORS)
    name = next(name for name in tensors if name.startswith("mid_block"))
    tensors[name] = torch.zeros(5)
    tensors.pop("controlnet_mid_block.bias")
    save_file(tensors, folder / TENSORS)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_table(cross_attention_dim=2048), "cross_attention_dim 2048 for"),
        (other_table(block_out_channels=[320, 640, 1280]), r"block_out_channels \[320, 640, 1280\] for"),
        (other_table(conditioning_embedding_out_channels=[16, 32]), "conditioning_embedding_out_channels"),
        (other_table(down_block_types=7), "builds no ControlNet"),
        (other_tensor, r"1 missing \(controlnet_mid_block.bias\); 1 of a wrong shape \(mid_block"),
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json is no table"),
        (lambda folder: (folder / TENSORS).write_bytes(b"\x80\x02pickle"), "pickle"),
        (lambda folder: (folder / TENSORS).unlink(), f"has no {TENSORS}"),
    ],
)
def test_an_identity_net_that_does_not_fit_says_where(learnt, tmp_path, change, words):
    folder = tmp_path / "net"
    shutil.copytree(learnt / "ControlNetModel", folder)
    change(folder)
    with pytest.raises(InstantIDError, match=words) as told:
        load_engine("miniature", Settings(profile="miniature", identity_net=folder))
    assert told.value.field == "identity_net"


@pytest.mark.parametrize("verb", ["generate", "evaluate"])
def test_a_missing_file_is_one_line_and_exit_code_2(verb, command, tmp_path):
    face = ["--face", FACE] if verb == "generate" else []
    code, told = command(verb, "--profile", "miniature", *face, "--adapter", tmp_path / "nowhere.bin")
    assert (code, told.count("\n")) == (2, 1) and "There is no adapter file nowhere.bin." in told


def test_openvino_refuses_what_it_has_not_exported(learnt):
    with pytest.raises(RequestError, match="profile's own") as told:
        load_engine(
            "miniature", Settings(profile="miniature", backend="openvino", identity_net=learnt / "ControlNetModel")
        )
    assert told.value.field == "backend"


def test_the_environment_names_them(tmp_path):
    told = {"INSTANTID_ADAPTER": str(tmp_path / "a.safetensors"), "INSTANTID_IDENTITY_NET": str(tmp_path / "net")}
    read = Settings.from_environment(told)
    assert (read.adapter, read.identity_net) == (tmp_path / "a.safetensors", tmp_path / "net")
