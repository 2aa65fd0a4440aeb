"""Whatever is asked for, a request is settled or refused with a field, a reason and a cure."""

import json
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from errors import RequestError
from face.keypoints import VIEWS
from generation.people import Person
from generation.request import GenerationRequest, Lora
from generation.schedulers import SCHEDULERS
from style_presets import NO_STYLE
from template_adapter.template import Template
from weights.registry import PROFILES

PHOTO = Image.new("RGB", (80, 80), "teal")
MINIATURE = PROFILES["miniature"]


def refusal(profile=MINIATURE, **wish):
    with pytest.raises(RequestError) as told:
        GenerationRequest(**{"photos": (PHOTO,), **wish}).resolved(profile)
    assert told.value.message and told.value.cure
    return told.value


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_defaults_come_from_the_profile(profile):
    wish = GenerationRequest(photos=(PHOTO,)).resolved(profile)
    assert (wish.width, wish.height) == profile.size
    assert (wish.steps, wish.guidance, wish.scheduler) == (profile.steps, profile.guidance, profile.scheduler)
    assert (wish.identity_net_scale, wish.adapter_scale) == (profile.identity_net_scale, profile.adapter_scale)
    assert 0 <= wish.seed < 2**32
    assert wish.notes == ()


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_preset_size_is_allowed_as_it_is(profile):
    for _, width, height in profile.sizes:
        wish = GenerationRequest(photos=(PHOTO,), width=width, height=height).resolved(profile)
        assert (wish.width, wish.height, wish.notes) == (width, height, ())


def test_resolving_twice_changes_nothing():
    once = GenerationRequest(photos=(PHOTO,), prompt=" a\tcook ", width=130).resolved(MINIATURE)
    twice = once.resolved(MINIATURE)
    assert twice.to_settings() == once.to_settings()


@pytest.mark.parametrize(
    ("field", "values"),
    {
        "steps": (0, -1, 10**9, 2.5, math.nan, "30", True, 10**400, Fraction(10**400, 3), Decimal(3)),
        "guidance": (-0.1, 31, math.inf, math.nan, "5", True, 10**400),
        "identity_net_scale": (-0.1, 2.1, math.nan),
        "adapter_scale": (-0.1, 2.1, -math.inf),
        "seed": (-1, 2**32, 1.5, math.nan),
        "count": (0, 9, math.inf),
        "width": (0, 95, 10**5, math.nan, "128"),
        "height": (-128, 257),
        "identity_start": (-0.1, 1.0, 2.0),
        "view": ("sideways", 3, "x" * 10**6),
        "scheduler": ("", "euler", 7),
        "style": ("no such style", None),
        "prompt": (None, 5, "a" * 10_001),
        "negative_prompt": (b"bytes",),
        "photos": ((), "photo.jpg", ("photo.jpg",), (PHOTO,) * 17),
        "face_choices": ((0, 0), (-1,), (math.nan,), 4),
        "pose": ("pose.jpg",),
        "pose_face": (-1, 1.5),
        "view_size": (0, 5, math.nan),
        "view_centre": ((1,), (0.5, math.nan), (0.5, 1.5), 3),
        "keypoints": (
            ((1, 2),),
            ((1, 2),) * 5,
            ((math.nan, 0),) * 5,
            "abcde",
            ((1e9, 0), (2, 0), (3, 3), (1, 4), (2, 4)),
        ),
        "face_region": (1, "yes", None),
        "loras": (
            (Lora("none.safetensors"),),
            (Lora("style.ckpt"),),
            (Lora("a\0b.safetensors"),),
            (Lora("a" * 5000 + ".safetensors"),),
            ("a",),
            4,
        ),
    }.items(),
)
def test_nonsense_is_refused_and_the_field_is_named(field, values):
    for value in values:
        assert refusal(**{field: value}).field == field


def test_contradictions_are_refused():
    assert refusal(pose=PHOTO, view="front").field == "view"
    assert refusal(identity_start=0.5, identity_end=0.5).field == "identity_start"
    assert refusal(width=256, height=256).field == "width"


@pytest.mark.parametrize(
    ("field", "wrong", "near"),
    [
        ("style", "watercolor", "Watercolor"),
        ("style", "film noire", "Film Noir"),
        ("scheduler", "euler", "Euler"),
        ("scheduler", "dpm++ 2m karras", "DPM++ 2M Karras"),
        ("view", "three quarter left", "three_quarter_left"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(field, wrong, near):
    assert refusal(**{field: wrong}).cure.startswith(f"Did you mean {near}")


def test_a_name_like_no_other_is_answered_with_the_names():
    assert NO_STYLE in refusal(style="%%%%%%%%%%").cure
    assert len(str(refusal(style="x" * 10**6))) < 500


def test_a_view_size_without_a_view_is_told():
    settled = GenerationRequest(photos=(PHOTO,), view_size=0.3).resolved(MINIATURE)
    assert settled.notes == ("view_size and view_centre have no effect without a view.",)
    assert GenerationRequest(photos=(PHOTO,), view_size=0.3, view="front").resolved(MINIATURE).notes == ()
    together = GenerationRequest(photos=(PHOTO,), others=(Person((PHOTO,)),), view_size=0.3, width=256, height=128)
    assert not [note for note in together.resolved(MINIATURE).notes if note.startswith("view_size")]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_head_of_which_nothing_is_said_is_as_the_weights_draw_it_best(profile):
    alone = GenerationRequest(photos=(PHOTO,), view="front").resolved(profile)
    assert (alone.view_size, alone.view_centre) == (profile.view_size, profile.view_centre)
    assert alone.resolved(profile).notes == alone.notes
    wide = max(profile.sizes, key=lambda preset: preset[1] / preset[2])
    together = GenerationRequest(photos=(PHOTO,), others=(Person((PHOTO,)),), width=wide[1], height=wide[2])
    assert together.resolved(profile).view_centre == (0.5, 0.5)


def test_sizes_snap_with_a_note():
    wish = GenerationRequest(photos=(PHOTO,), width=1023, height=1000).resolved(PROFILES["sdxl"])
    assert (wish.width, wish.height) == (1024, 1000)
    assert len(wish.notes) == 1
    assert "width" in wish.notes[0]


def test_control_characters_go_with_a_note_and_everything_else_stays():
    prompt = "a \0cook\nwith \u202e\U0001f469\u200d\U0001f373 and \ud800\u05e2\u05d1"
    wish = GenerationRequest(photos=(PHOTO,), prompt=prompt).resolved(MINIATURE)
    assert wish.prompt == "a cook with \u202e\U0001f469\u200d\U0001f373 and \u05e2\u05d1"
    assert "2 control characters" in wish.notes[0]


def test_a_negative_prompt_without_guidance_is_told():
    for unguided in ({"guidance": 1.0}, {"guidance_start": 0.5, "guidance_end": 0.5}):
        wish = GenerationRequest(photos=(PHOTO,), negative_prompt="blurry", **unguided).resolved(MINIATURE)
        assert any("negative_prompt" in note for note in wish.notes)


def test_settings_survive_json():
    wish = GenerationRequest(
        photos=(PHOTO,), face_choices=(1,), prompt="a «cook» 👩‍🍳", view_centre=(0.4, 0.6), view="front", seed=7
    ).resolved(MINIATURE)
    kept = json.loads(json.dumps(wish.to_settings(), allow_nan=False))
    again = GenerationRequest.from_settings(kept, (PHOTO,)).resolved(MINIATURE)
    assert again.to_settings() == wish.to_settings()
    assert GenerationRequest.from_settings(kept, (PHOTO,), seed=8).seed == 8


def test_settings_hold_no_path(tmp_path):
    file = tmp_path / "mine.safetensors"
    file.write_bytes(b"")
    wish = GenerationRequest(photos=(PHOTO,), loras=(Lora(str(file), 0.5),)).resolved(MINIATURE)
    assert wish.to_settings()["loras"] == [{"name": "mine.safetensors", "weight": 0.5}]
    assert str(tmp_path) not in json.dumps(wish.to_settings())


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.binary(max_size=5),
    st.lists(st.one_of(st.none(), st.floats(), st.integers()), max_size=6),
    st.tuples(st.floats(), st.floats()),
    st.just(np.float32(1.5)),
    st.just(np.int64(3)),
    st.just(10**400),
    st.just(Fraction(10**400, 3)),
    st.just([Lora("a" * 5000 + ".safetensors")]),
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=5, max_size=5),
)
likely = {
    "steps": st.integers(-5, 300),
    "guidance": st.floats(-5, 50),
    "width": st.integers(0, 400),
    "height": st.integers(0, 400),
    "seed": st.integers(-(2**40), 2**40),
    "view": st.sampled_from([None, *VIEWS]),
    "scheduler": st.sampled_from([None, *SCHEDULERS]),
    "style": st.just(NO_STYLE),
    "identity_start": st.floats(-1, 2),
    "identity_end": st.floats(-1, 2),
    "prompt": st.text(max_size=200),
}
fields = [name for name in GenerationRequest.__dataclass_fields__ if name not in ("photos", "notes")]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries({}, optional={name: st.one_of(anything, likely.get(name, anything)) for name in fields}))
def test_any_request_is_settled_or_refused(wish):
    try:
        settled = GenerationRequest(photos=(PHOTO,), **wish).resolved(MINIATURE)
    except RequestError as told:
        assert told.field in fields
        assert told.message and told.cure
        assert len(str(told)) < 500
        return
    kept = json.loads(json.dumps(settled.to_settings(), allow_nan=False))
    json.dumps(kept, ensure_ascii=False).encode()
    assert settled.width % MINIATURE.size_step == 0
    assert settled.height % MINIATURE.size_step == 0
    assert GenerationRequest.from_settings(kept, (PHOTO,)).resolved(MINIATURE).to_settings() == kept


EMBEDDING = np.random.default_rng(0).normal(size=512).astype(np.float32)


def test_a_template_needs_no_photo_and_looks_to_the_front():
    wish = GenerationRequest(template=Template(EMBEDDING, "buffalo_l", "0123456789ab")).resolved(MINIATURE)
    assert wish.photos == () and wish.view == "front" and wish.notes == ()
    settings = json.loads(json.dumps(wish.to_settings()))
    assert settings["template"] == {"recogniser": "buffalo_l", "adapter": "0123456789ab"}
    assert GenerationRequest.from_settings(settings, (PHOTO,)).resolved(MINIATURE).template is None
    assert wish.resolved(MINIATURE).to_settings() == wish.to_settings()
    points = ((40, 50), (80, 50), (60, 70), (45, 90), (75, 90))
    assert GenerationRequest(template=Template(EMBEDDING), keypoints=points).resolved(MINIATURE).view is None


def test_a_template_of_length_one_is_brought_to_that_of_an_embedding():
    wish = GenerationRequest(template=Template(EMBEDDING / np.linalg.norm(EMBEDDING))).resolved(MINIATURE)
    assert np.linalg.norm(wish.template.embedding) == pytest.approx(512**0.5, rel=1e-4)
    assert any("template" in note for note in wish.notes)


@pytest.mark.parametrize(
    "wish",
    [
        {"template": EMBEDDING, "photos": ()},
        {"template": Template(EMBEDDING)},
        {"template": Template(EMBEDDING[:128]), "photos": ()},
        {"template": Template(EMBEDDING * np.nan), "photos": ()},
        {"template": Template(np.stack([EMBEDDING] * 2)), "photos": ()},
        {"template": Template("abc"), "photos": ()},
    ],
    ids=["no template", "with photos", "short", "nan", "two", "words"],
)
def test_an_impossible_template_is_refused(wish):
    assert refusal(**wish).field == "template"
