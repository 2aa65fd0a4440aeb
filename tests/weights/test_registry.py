import re

import pytest

from weights.published import MINIATURE
from weights.registry import AUTO, PROFILES, WEIGHTS, choose_profile


def test_the_four_profiles_people_know() -> None:
    assert list(PROFILES) == ["miniature", "sdxl", "yamermix", "realvisxl"]
    assert AUTO not in PROFILES


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_defaults_are_values_the_request_accepts(profile) -> None:
    assert profile.size in [(width, height) for _, width, height in profile.sizes]
    for _, width, height in profile.sizes:
        assert width % profile.size_step == height % profile.size_step == 0
        assert min(width, height) >= profile.min_side
        assert (width, height) != (1024, 1024), "exactly 1024 x 1024 brings watermarks back"
    assert 2.0 <= profile.guidance <= 5.0
    assert profile.drawn is profile.shipped


@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
def test_what_is_stated_is_well_formed(weight) -> None:
    assert weight.licence
    if weight is MINIATURE:
        return
    assert weight.revision is None or re.fullmatch("[0-9a-f]{40}", weight.revision)
    assert len({file.path for file in weight.files}) == len(weight.files)
    for file in weight.files:
        assert not file.path.startswith("/") and ".." not in file.path.split("/")
        assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
    if weight.exact and weight.about is not None:
        assert weight.size == weight.about


def test_every_part_of_a_profile_is_a_file_that_is_fetched() -> None:
    for profile in PROFILES.values():
        assert profile.neutral is not None
        for part in (profile.base, profile.identity_net, profile.adapter, profile.face_pack, profile.neutral):
            if part.path and part.weight.repo:
                assert any(f.path == part.path or f.path.startswith(part.path + "/") for f in part.weight.files)


def test_scripts_that_may_run_code_have_a_pinned_hash() -> None:
    for weight in WEIGHTS.values():
        for file in weight.files:
            if not file.path.endswith((".safetensors", ".json", ".txt")):
                assert file.sha256, f"{weight.name}/{file.path} can carry code and has no pinned hash"


def test_the_neutral_recogniser_is_another_and_not_needed_to_make_pictures() -> None:
    for profile in PROFILES.values():
        assert profile.neutral != profile.face_pack
        assert profile.shipped or profile.neutral.weight not in profile.weights


def test_auto_is_the_real_default_only_with_an_accelerator() -> None:
    assert choose_profile(has_accelerator=False) == "miniature"
    chosen = PROFILES[choose_profile(has_accelerator=True)]
    assert not chosen.shipped
    assert chosen.weights[0].licence != "unverified"
    assert {weight.name for weight in chosen.weights} == {
        "RealVisXL_V5.0",
        "InstantID",
        "antelopev2",
        "sdxl-vae-fp16-fix",
    }


def test_sizes_add_up() -> None:
    assert WEIGHTS["sdxl-base-1.0"].exact
    assert WEIGHTS["sdxl-base-1.0"].size == pytest.approx(6.94e9, rel=0.01)
    assert not WEIGHTS["YamerMIX_v8"].exact
    assert WEIGHTS["YamerMIX_v8"].size == WEIGHTS["YamerMIX_v8"].about
