"""A mode is a word for numbers that can be seen, changed and made again."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from errors import RequestError, WeightsMissing
from generation.modes import MODES, TURBO, modes_of, settings_of
from generation.request import GenerationRequest, Lora, lora_files
from generation.schedulers import SCHEDULERS
from generation.sources import LORA_FILE, Sources, find_lora
from weights.published import MINIATURE
from weights.registry import PROFILES, SHIPPED_LORAS, WEIGHTS, Part, shipped_loras
from weights.store import Store

PHOTO = Image.new("RGB", (80, 80), "teal")
CASES = [(profile, mode) for profile in ("miniature", "realvisxl") for mode in modes_of(PROFILES[profile])]


@pytest.mark.parametrize(("profile", "mode"), CASES)
def test_a_mode_settles_into_numbers_that_make_it_again(profile, mode):
    profile = PROFILES[profile]
    settled = GenerationRequest(photos=(PHOTO,), mode=mode).resolved(profile)
    for field, value in settings_of(mode, profile).items():
        assert getattr(settled, field) == value
    assert settled.mode in MODES
    assert settled.scheduler in SCHEDULERS
    assert settled.resolved(profile).to_settings() == settled.to_settings()
    kept = json.loads(json.dumps(settled.to_settings()))
    assert GenerationRequest.from_settings(kept, (PHOTO,)).resolved(profile).to_settings() == kept


def test_faster_modes_do_less_work():
    for profile in (PROFILES["miniature"], PROFILES["sdxl"]):
        steps = [
            GenerationRequest(photos=(PHOTO,), mode=mode).resolved(profile).steps for mode in ("quality", "fast", TURBO)
        ]
        assert steps == sorted(steps, reverse=True)
        assert len(set(steps)) == 3


def test_what_is_given_goes_before_the_mode():
    settled = GenerationRequest(photos=(PHOTO,), mode="fast", steps=9, identity_end=1.0).resolved(PROFILES["miniature"])
    assert (settled.steps, settled.identity_end, settled.guidance_end) == (9, 1.0, 0.6)


def test_the_lora_of_a_mode_is_put_on_once_and_its_weight_may_be_chosen():
    profile = PROFILES["sdxl"]
    turbo = GenerationRequest(photos=(PHOTO,), mode=TURBO).resolved(profile)
    assert turbo.mode == "lcm"
    assert turbo.loras == (Lora("lcm-lora-sdxl", 1.0),)
    assert lora_files(turbo.to_settings()) == ()
    weaker = GenerationRequest(photos=(PHOTO,), mode="lcm", loras=(Lora("lcm-lora-sdxl", 0.7),)).resolved(profile)
    assert weaker.loras == (Lora("lcm-lora-sdxl", 0.7),)


def test_loras_that_a_mode_needs_are_in_the_registry_with_a_licence():
    for profile in PROFILES.values():
        for mode, name in profile.fast:
            assert MODES[mode].distilled
            assert name in SHIPPED_LORAS or WEIGHTS[name] in profile.extras
            part = find_lora(name)
            assert part is not None
            assert part.weight.licence
    assert {mode for mode, _ in PROFILES["sdxl"].fast} == {name for name, mode in MODES.items() if mode.distilled}


def test_loras_beside_shipped_weights_have_names_and_files(tmp_path):
    (tmp_path / "loras").mkdir()
    (tmp_path / "loras" / "ink.safetensors").write_bytes(b"weights")
    weight = replace(MINIATURE, folder=tmp_path)
    assert shipped_loras(weight) == {"miniature-ink": Part(weight, "loras/ink.safetensors")}
    for name, part in SHIPPED_LORAS.items():
        assert Sources().lora(name) == part.weight.folder / part.path


@pytest.mark.parametrize("mode", ["lightning", "tcd", "warp", 3, ""])
def test_a_mode_of_other_weights_is_refused_with_those_there_are(mode):
    with pytest.raises(RequestError) as told:
        GenerationRequest(photos=(PHOTO,), mode=mode).resolved(PROFILES["miniature"])
    assert told.value.field == "mode"
    assert told.value.cure


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("owner/style", LORA_FILE),
        ("owner/style/files/best one.safetensors", "files/best one.safetensors"),
        ("lcm-lora-sdxl", LORA_FILE),
    ],
)
def test_a_lora_is_named_by_repository_file_or_registry(name, file):
    part = find_lora(name)
    assert part is not None
    assert part.path == part.weight.files[0].path == file


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/../b", ".hidden/x", "owner/repo/../x.safetensors", "", "x.pt"])
def test_a_path_that_leads_elsewhere_is_no_lora(name):
    with pytest.raises(RequestError) as told:
        find_lora(name)
    assert told.value.field == "loras"


def test_a_lora_that_cannot_be_fetched_is_told(tmp_path):
    with pytest.raises(WeightsMissing) as told:
        Sources(Store(tmp_path, offline=True)).lora("owner/style")
    assert told.value.field == "loras"
    assert "owner/style" in told.value.message


def test_a_lora_in_the_models_directory_is_used_without_a_connection(tmp_path):
    file = tmp_path / "hub" / "owner" / "style" / LORA_FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    assert Sources(Store(tmp_path, offline=True)).lora("owner/style") == file


@pytest.fixture
def rows(engine):
    """Rows that the first layers of UNet and IdentityNet have computed, step by step."""
    computed = {"unet": [], "controlnet": []}
    hooks = [
        getattr(engine._pipeline, net).conv_in.register_forward_pre_hook(
            lambda _, arguments, seen=seen: seen.append(len(arguments[0]))
        )
        for net, seen in computed.items()
    ]
    yield computed
    for hook in hooks:
        hook.remove()


def pixels(engine, photo, **wish):
    *_, result = engine.generate(GenerationRequest(photos=(photo,), seed=1, **{"steps": 4, **wish}))
    return np.int16(result.images[0].image)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0.0, 0.5, [2, 2, 1, 1]),
        (0.25, 0.75, [1, 2, 2, 1]),
        (0.5, 1.0, [1, 1, 2, 2]),
        (0.3, 0.3, [1, 1, 1, 1]),
        (0.0, 1.0, [2, 2, 2, 2]),
    ],
)
@pytest.mark.parametrize("from_picture", [False, True], ids=["from noise", "from a picture"])
def test_outside_of_its_interval_guidance_costs_nothing(engine, photo, rows, start, end, expected, from_picture):
    ground = {"start_picture": photo, "strength": 0.5, "steps": 8} if from_picture else {}
    made = pixels(engine, photo, guidance_start=start, guidance_end=end, **ground)
    assert rows["unet"] == rows["controlnet"] == expected
    whole = pixels(engine, photo, **ground)
    assert np.array_equal(made, whole) == (expected == [2] * 4)


def test_a_narrower_interval_leads_from_the_guided_picture_to_the_unguided(engine, photo):
    wish = {"guidance": 6.0, "guidance_rescale": 0.5, "steps": 8}
    unguided = pixels(engine, photo, **{**wish, "guidance": 1.0})
    away = [
        np.abs(pixels(engine, photo, **wish, guidance_start=start, guidance_end=end) - unguided).mean()
        for start, end in ((0.0, 1.0), (0.0, 0.6), (0.25, 0.6), (0.4, 0.4))
    ]
    assert away[0] > away[1] > away[2] > 10 * away[3]


def test_an_interval_that_ends_before_it_starts_is_refused():
    with pytest.raises(RequestError) as told:
        GenerationRequest(photos=(PHOTO,), guidance_start=0.6, guidance_end=0.5).resolved(PROFILES["miniature"])
    assert told.value.field == "guidance_start"
    assert told.value.cure
    with pytest.raises(RequestError) as told:
        GenerationRequest(photos=(PHOTO,), guidance_start=0.7, mode="fast").resolved(PROFILES["miniature"])
    assert told.value.field == "guidance_start"


def test_endings_of_lora_files_may_be_capitals(tmp_path):
    file = tmp_path / "STYLE.SAFETENSORS"
    file.write_bytes(b"weights")
    assert find_lora(str(file)) is None
