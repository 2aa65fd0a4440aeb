"""Configs: every wrong line is told by its name."""

import subprocess
import sys
from pathlib import Path

import pytest

from errors import RequestError
from training.config import load_config

ROOT = Path(__file__).parents[2]
LEAST = 'profile = "miniature"\noutput = "runs/x"\n[data]\nshards = ["a"]\n'


def written(tmp_path, text):
    file = tmp_path / "run.toml"
    file.write_text(text)
    return file


def test_what_is_left_out_has_a_default(tmp_path):
    config = load_config(written(tmp_path, LEAST))
    assert config.buckets == ((128, 128), (128, 160), (160, 128), (256, 128))
    assert config.steps == 100_000 and config.data.drop_face == 0.05


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("miniature", "mini"), "profile"),
        (('output = "runs/x"\n', ""), "output"),
        (('shards = ["a"]', ""), "data.shards"),
        (('["a"]', "[]"), "data.shards"),
        (('["a"]', '"a"'), "data.shards"),
        (('["a"]', '["a"]\nbuckets = [[100, 128]]'), "data.buckets"),
        (('["a"]', '["a"]\nbuckets = [[128]]'), "data.buckets"),
        (('["a"]', '["a"]\ndrop_text = 0.99'), "data.drop_text"),
        (('["a"]', '["a"]\nworker = 3'), "data.worker"),
        (('["a"]', '["a"]\nworkers = -1'), "data.workers"),
        (("[data]", "steps = 0\n[data]"), "steps"),
        (("[data]", "steps = 1.5\n[data]"), "steps"),
        (("[data]", "checkpointing = 1\n[data]"), "checkpointing"),
        (("[data]", 'precision = "int8"\n[data]'), "precision"),
        (("[data]", "start = 3\n[data]"), "start"),
        (('["a"]', '["a"]\n[start]\nresampler_width = 100'), "start.resampler_width"),
        (('["a"]', '["a"]\n[optimizer]\nrate = 0'), "optimizer.rate"),
        (('["a"]', '["a"]\n[distillation]\nguidance = [5, 3]'), "distillation.guidance"),
        (("[data]", "seed = -1\n[data]"), "seed"),
        (('["a"]', '["a"]\n[optimizer]\nschedule = "x"'), "optimizer.schedule"),
        (('["a"]', '["a"]\n[optimizer]\nschedule = "piecewise_constant"'), "optimizer.schedule"),
        (('["a"]', '["a"]\n[optimizer]\nwarmup = -2'), "optimizer.warmup"),
        (('["a"]', '["a"]\n[optimizer]\nbetas = [2, 0.9]'), "optimizer.betas"),
        (('["a"]', '["a"]\n[optimizer]\nweight_decay = nan'), "optimizer.weight_decay"),
        (('["a"]', '["a"]\n[optimizer]\nweight_decay = -1'), "optimizer.weight_decay"),
        (('["a"]', '["a"]\n[start]\nconditioning_channels = []'), "start.conditioning_channels"),
        (('["a"]', '["a"]\n[start]\nidentity_net = "nowhere"'), "start.identity_net"),
        (('["a"]', '["a"]\n[start]\nadapter = "nowhere"'), "start.adapter"),
        (('["a"]', '["a"]\n[validation]\nevery = -1'), "validation.every"),
        (('["a"]', '["a"]\n[validation]\nsteps = -3'), "validation.steps"),
        (('["a"]', '["a"]\n[distillation]\nhuber = -1'), "distillation.huber"),
        (("[data]", "[data"), "config"),
        (('"runs/x"', '"pyproject.toml"'), "output"),
        (('"runs/x"', '"pyproject.toml/x"'), "output"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, monkeypatch, change, field):
    monkeypatch.chdir(ROOT)
    assert change[0] in LEAST
    with pytest.raises(RequestError) as caught:
        load_config(written(tmp_path, LEAST.replace(*change)))
    assert caught.value.field == field
    assert caught.value.cure


def test_a_config_is_utf_8_whatever_the_system_speaks(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text(LEAST.replace('"a"', '"Fotos für später"'), encoding="utf-8")
    read = (
        "import pathlib, sys, warnings; from training.config import load_config; warnings.simplefilter('error');"
        "assert load_config(pathlib.Path(sys.argv[1])).data.shards == (pathlib.Path('Fotos für später'),)"
    )
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-X", "utf8", "-c", read, str(file)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
