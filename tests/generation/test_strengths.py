"""Presets, windows and what is done against burnt colours: each acts for its request, and only then."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from errors import RequestError
from generation.colours import compared
from generation.request import GenerationRequest
from generation.rescale import rescaled
from generation.strengths import STRENGTHS
from weights.registry import PROFILES

PHOTO = Image.new("RGB", (80, 80), "teal")
MINIATURE = PROFILES["miniature"]


def pixels(engine, photo, **wish):
    *_, result = engine.generate(GenerationRequest(photos=(photo,), seed=1, **wish))
    return np.int16(result.images[0].image), result


@pytest.mark.parametrize("name", STRENGTHS)
def test_a_preset_settles_into_numbers_and_leaves_given_ones(name):
    settled = GenerationRequest(photos=(PHOTO,), strengths=name).resolved(MINIATURE)
    for field, value in STRENGTHS[name].items():
        assert getattr(settled, field) == value
    assert settled.resolved(MINIATURE).to_settings() == settled.to_settings()
    own = GenerationRequest(photos=(PHOTO,), strengths=name, adapter_scale=0.1).resolved(MINIATURE)
    assert own.adapter_scale == 0.1


def test_without_a_preset_nothing_of_it_is_on():
    settled = GenerationRequest(photos=(PHOTO,)).resolved(MINIATURE)
    assert (settled.guidance_rescale, settled.face_noise) == (0, 0)
    assert (settled.adapter_start, settled.adapter_end) == (0, 1)
    official = GenerationRequest(photos=(PHOTO,), strengths="official").resolved(MINIATURE)
    assert (official.guidance_rescale, official.face_noise, official.adapter_end) == (0, 0, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("strengths", "strong"),
        ("guidance_rescale", math.nan),
        ("guidance_rescale", -0.1),
        ("face_noise", 2),
        ("adapter_start", 1.0),
        ("adapter_end", "late"),
        ("guidance_end", math.inf),
        ("guidance_start", math.nan),
        ("guidance_start", -0.1),
        ("compare_colours", "yes"),
        ("best_of", 0),
        ("best_of", 33),
        ("best_of", math.nan),
    ],
)
def test_nonsense_is_refused(field, value):
    with pytest.raises(RequestError) as told:
        GenerationRequest(photos=(PHOTO,), **{field: value}).resolved(MINIATURE)
    assert told.value.field == field


@pytest.mark.parametrize("wish", [{"guidance_rescale": 0.7}, {"face_noise": 0.5}], ids=str)
def test_guidance_is_changed_and_nothing_where_there_is_none(engine, photo, wish):
    assert not np.array_equal(pixels(engine, photo, **wish)[0], pixels(engine, photo)[0])
    unguided = {"guidance": 1.0}
    assert np.array_equal(pixels(engine, photo, **unguided, **wish)[0], pixels(engine, photo, **unguided)[0])


def test_rescaled_guidance_has_the_spread_of_the_conditional_prediction():
    steps = []

    def step(model_output, *rest):
        steps.append(model_output)

    pipeline = SimpleNamespace(scheduler=SimpleNamespace(step=step), unet=torch.nn.Identity())
    rows = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    guided = rows[:1] + 6 * (rows[1:] - rows[:1])
    for share in (0.0, 0.5, 1.0):
        pipeline.scheduler.step = step
        with rescaled(pipeline, share):
            pipeline.unet((rows,))
            pipeline.scheduler.step(guided)
    off, half, full = (float(made.std()) for made in steps)
    assert off == float(guided.std())
    assert full == pytest.approx(float(rows[1].std()), rel=1e-5)
    assert full < half < off
    assert not pipeline.unet._forward_hooks


def test_the_adapter_acts_in_its_window(engine, photo):
    unet = engine._pipeline.unet
    processor = next(one for one in unet.attn_processors.values() if hasattr(one, "to_k_ip"))
    seen = []
    hook = unet.register_forward_pre_hook(lambda *_: seen.append(processor.scale[0]))
    pixels(engine, photo, steps=4, adapter_start=0.25, adapter_end=0.75, adapter_scale=0.6)
    pixels(engine, photo, steps=2, adapter_scale=0.6)
    hook.remove()
    assert seen == [0, 0.6, 0.6, 0, 0.6, 0.6]


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"adapter_start": 0.5, "adapter_end": 0.55}, ["The face adapter"]),
        ({"adapter_start": 0.5, "adapter_end": 0.75}, []),
        ({"adapter_start": 0.5, "adapter_end": 0.55, "adapter_scale": 0.0}, []),
        ({"identity_start": 0.1, "identity_end": 0.3}, ["IdentityNet"]),
        ({"identity_end": 0.25}, []),
        ({"identity_end": 0.25, "start_picture": PHOTO, "strength": 0.5}, ["IdentityNet"]),
        ({"guidance_start": 0.55, "guidance_end": 0.7}, ["Nothing was guided"]),
        ({"guidance_start": 0.5, "guidance_end": 0.55}, []),
    ],
)
def test_a_window_that_holds_no_step_is_told(engine, photo, wish, told):
    notes = engine.prepare(GenerationRequest(photos=(photo,), seed=1, steps=4, **wish)).notes
    idle = [note for note in notes if "holds none of the" in note]
    assert [note.startswith(name) for note, name in zip(idle, told, strict=True)] == [True] * len(told)
    assert all(f"{wish[name]:g}" in note for note in idle for name in wish if name.endswith(("_start", "_end")))


def test_colours_are_compared_with_the_picture_without_identity(engine, photo):
    made, result = pixels(engine, photo, compare_colours=True)
    assert np.array_equal(made, pixels(engine, photo)[0])
    colours = result.images[0].colours
    plain, _ = pixels(engine, photo, identity_net_scale=0.0, adapter_scale=0.0)
    expected = compared(Image.fromarray(np.uint8(made)), Image.fromarray(np.uint8(plain)))
    assert colours == expected


def test_a_burnt_picture_is_told():
    rows, columns = np.mgrid[0:64, 0:64]
    plain = Image.fromarray(np.uint8(np.stack([100 + rows, 80 + columns, 90 + rows // 2], axis=-1)))
    burnt = ImageEnhance.Color(ImageEnhance.Contrast(plain).enhance(1.5)).enhance(1.8)
    colours = compared(burnt, plain)
    assert colours.saturation > 1.5
    assert colours.contrast > 1.3
    wish = GenerationRequest(guidance=3.0)
    assert "free" in colours.hint(wish), "balanced was measured to raise contrast"
    saturated = replace(colours, contrast=1.0)
    assert "balanced" in saturated.hint(wish)
    assert "free" in saturated.hint(replace(wish, guidance_rescale=0.4))
    assert "Strengths" not in colours.hint(replace(wish, guidance_rescale=0.6))
    assert "guidance" not in colours.hint(replace(wish, guidance=1.0))
    assert compared(plain, plain).hint(wish) is None


def test_the_best_are_kept_and_the_reason_is_told(engine, photo):
    _, all_of_them = pixels(engine, photo, count=4)
    _, best = pixels(engine, photo, count=2, best_of=4)
    ranked = sorted(all_of_them.images, key=lambda one: -one.identity)
    assert [one.seed for one in best.images] == [one.seed for one in ranked[:2]]
    assert np.array_equal(np.asarray(best.images[0].image), np.asarray(ranked[0].image))
    assert [one.seed for one in best.candidates] == [1, 2, 3, 4]
    assert sum(one.kept for one in best.candidates) == 2
    assert all_of_them.candidates == ()
    (why,) = (note for note in best.notes if note.startswith("Kept 2 of 4"))
    assert f"seed {ranked[3].seed}" in why


def test_more_cannot_be_kept_than_are_made():
    with pytest.raises(RequestError) as told:
        GenerationRequest(photos=(PHOTO,), count=3, best_of=2).resolved(MINIATURE)
    assert told.value.field == "best_of"


def test_more_than_are_made_are_refused_in_any_form():
    with pytest.raises(RequestError) as told:
        GenerationRequest(photos=(PHOTO,), count=3.0, best_of=2).resolved(MINIATURE)
    assert told.value.field == "best_of"
