"""A picture to start from, a photo to put the person into, small faces made again: what may change and what not."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from errors import NoFaceFound, RequestError
from generation.request import GenerationRequest
from weights.registry import PROFILES


def run(engine, photo, **wish):
    *_, result = engine.generate(GenerationRequest(photos=(photo,), seed=1, **wish))
    return result


def pixels(result):
    return np.int16(result.images[0].image)


@pytest.fixture
def scene(engine, monkeypatch):
    """A picture of 120 x 100 px with a small face on the right."""
    find = engine.analyzer.find

    def smaller(image):
        if image.size != (120, 100):
            return find(image)
        (face,) = find(image)
        shift = np.float32((70, 40))
        return [replace(face, keypoints=face.keypoints / 4 + shift, box=face.box / 4 + np.tile(shift, 2))]

    monkeypatch.setattr(engine.analyzer, "find", smaller)
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (100, 120, 3), np.uint8))


def ring(size, box):
    mask = Image.new("L", size)
    mask.paste(255, box)
    return mask


def test_outside_of_the_face_no_pixel_of_the_photo_changes(engine, photo, scene):
    result = run(engine, photo, into=scene)
    mask = engine.prepare(GenerationRequest(photos=(photo,), seed=1, into=scene)).scene.frame.mask
    made, before = pixels(result), np.int16(scene)
    assert result.images[0].image.size == scene.size
    assert np.array_equal(made[mask == 0], before[mask == 0])
    assert np.abs(made - before)[mask > 0.9].mean() > 5
    assert (mask == 0).mean() > 0.2


def test_a_mask_of_ones_own_is_a_limit_too(engine, photo, scene):
    mask = ring(scene.size, (80, 45, 95, 60))
    made = pixels(run(engine, photo, into=scene, mask=mask))
    outside = np.asarray(mask) == 0
    assert np.array_equal(made[outside], np.int16(scene)[outside])
    assert not np.array_equal(made, np.int16(scene))


@pytest.mark.parametrize("ground", ["into", "start_picture"])
def test_making_small_faces_again_keeps_to_the_mask(engine, photo, scene, ground):
    start = scene if ground == "into" else scene.resize((64, 64))
    mask = ring(start.size, (80, 45, 95, 60) if ground == "into" else (20, 20, 40, 40))
    made = pixels(run(engine, photo, **{ground: start}, mask=mask, refine="always"))
    outside = np.asarray(mask) == 0
    assert np.array_equal(made[outside], np.int16(start)[outside])
    assert not np.array_equal(made, pixels(run(engine, photo, **{ground: start}, mask=mask)))


def test_without_a_mask_the_face_of_the_photo_is_the_bound_of_making_it_again(engine, photo, scene):
    mask = engine.prepare(GenerationRequest(photos=(photo,), seed=1, into=scene)).scene.frame.mask
    made = pixels(run(engine, photo, into=scene, refine="always"))
    assert np.array_equal(made[mask == 0], np.int16(scene)[mask == 0])


def test_a_face_off_the_mask_is_not_made_again_and_that_is_told(engine, photo, scene):
    start = scene.resize((64, 64))
    mask = ring(start.size, (0, 0, 2, 2))
    result = run(engine, photo, start_picture=start, mask=mask, refine="always", width=64, height=64)
    assert any("nothing may change" in note for note in result.notes)
    assert result.images[0].before is None


def test_a_white_mask_is_no_mask(engine, photo, scene):
    start = Image.new("RGB", (64, 64), "silver")
    wish = {"start_picture": start, "strength": 0.4, "width": 64, "height": 64}
    free = pixels(run(engine, photo, **wish))
    white = pixels(run(engine, photo, **wish, mask=Image.new("L", start.size, 255)))
    assert np.array_equal(white, free)


def test_a_neighbour_is_not_measured_in_the_place_of_a_face_that_is_not_found(engine, photo, scene, monkeypatch):
    find = engine.analyzer.find
    (face,) = find(scene)
    neighbour = replace(face, keypoints=face.keypoints - np.float32((60, 0)), box=face.box - np.float32((60, 0, 60, 0)))

    def found(image):
        if image.size != scene.size:
            return find(image)
        return [face, neighbour] if np.array_equal(np.asarray(image), np.asarray(scene)) else [neighbour]

    monkeypatch.setattr(engine.analyzer, "find", found)
    made = run(engine, photo, into=scene).images[0]
    assert (made.identity, made.keypoint_error) == (None, None)
    again = run(engine, photo, into=scene, refine="always").images[0]
    left, upper, right, lower = neighbour.box.astype(int)
    patch = [np.asarray(picture)[upper:lower, left : right - 10] for picture in (again.image, scene)]
    assert np.array_equal(*patch), "nor made again in its place"


def test_the_neighbours_in_a_photo_stay_as_they_are(engine, photo, scene, monkeypatch):
    find = engine.analyzer.find

    def two(image):
        faces = find(image)
        if image.size != scene.size:
            return faces
        shift = np.float32((-22, 0))
        (face,) = faces
        return [face, replace(face, keypoints=face.keypoints + shift, box=face.box + np.tile(shift, 2))]

    monkeypatch.setattr(engine.analyzer, "find", two)
    own, beside = (face.keypoints for face in engine.analyzer.find(scene))
    made = pixels(run(engine, photo, into=scene))
    changed = (made != np.int16(scene)).any(axis=-1)
    left, top = np.floor(beside.min(axis=0)).astype(int)
    right, bottom = np.ceil(beside.max(axis=0)).astype(int)
    assert not changed[top : bottom + 1, left : right + 1].any()
    left, top = np.floor(own.min(axis=0)).astype(int)
    right, bottom = np.ceil(own.max(axis=0)).astype(int)
    assert changed[top : bottom + 1, left : right + 1].mean() > 0.9


def test_strength_says_how_much_of_the_run_is_gone_through(engine, photo, scene):
    steps = []
    hook = engine._pipeline.unet.register_forward_pre_hook(lambda *_: steps.append(1))
    made = []
    for strength in (0.05, 0.5, 1.0):
        made.append(pixels(run(engine, photo, start_picture=scene, strength=strength, steps=6)))
        steps.append(0)
    hook.remove()
    assert "".join(map(str, steps)) == "1" + "0" + "111" + "0" + "111111" + "0"
    assert not np.array_equal(made[1], made[2])


def test_a_masked_start_keeps_the_rest(engine, photo, scene):
    start = scene.resize((64, 64))
    mask = ring(start.size, (0, 0, 32, 64))
    made = pixels(run(engine, photo, start_picture=start, mask=mask, width=64, height=64))
    assert np.array_equal(made[:, 32:], np.int16(start)[:, 32:])
    assert np.abs(made - np.int16(start))[:, :32].mean() > 5


def test_a_picture_to_start_from_gives_size_and_pose(engine, photo, scene):
    prepared = engine.prepare(GenerationRequest(photos=(photo,), start_picture=scene))
    assert (prepared.request.width, prepared.request.height) == (64, 64)
    wide = GenerationRequest(photos=(photo,), start_picture=scene.resize((300, 100)))
    assert (wide.resolved(PROFILES["sdxl"]).width, wide.resolved(PROFILES["sdxl"]).height) == (1760, 584)
    assert np.allclose(prepared.keypoints[2], (32, 32))


@pytest.mark.parametrize("field", ["into", "start_picture"])
@pytest.mark.parametrize("strength", [math.nan, -0.5, 0.0, 1.5, "much", True])
def test_a_strength_without_meaning_is_refused(engine, photo, scene, field, strength):
    with pytest.raises(RequestError) as told:
        run(engine, photo, strength=strength, **{field: scene})
    assert told.value.field == "strength"


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"into": True, "start_picture": True}, "into"),
        ({"into": "photo.jpg"}, "into"),
        ({"into": True, "into_face": 3}, "into_face"),
        ({"mask": ring((120, 100), (0, 0, 9, 9))}, "mask"),
        ({"into": True, "mask": ring((64, 64), (0, 0, 64, 64))}, "mask"),
        ({"into": True, "mask": ring((120, 100), (0, 0, 0, 0))}, "mask"),
        ({"into": True, "mask": ring((120, 100), (0, 0, 9, 9))}, "mask"),
        ({"start_picture": True, "mask": ring((120, 100), (0, 0, 3, 90)), "width": 48, "height": 80}, "mask"),
        ({"refine": "sometimes"}, "refine"),
    ],
)
def test_nonsense_is_refused_and_the_next_request_works(engine, photo, scene, wish, field):
    wish = {name: scene if value is True else value for name, value in wish.items()}
    with pytest.raises(RequestError) as told:
        run(engine, photo, **wish)
    assert told.value.field == field
    assert told.value.cure
    assert engine.waiting == 0


def test_a_photo_without_a_face_to_replace_is_told(engine, photo, scene, monkeypatch):
    find = engine.analyzer.find
    monkeypatch.setattr(engine.analyzer, "find", lambda image: [] if image.size == scene.size else find(image))
    with pytest.raises(NoFaceFound) as told:
        run(engine, photo, into=scene)
    assert told.value.field == "into"


def test_a_face_that_is_made_again_is_kept_before_and_after(engine, photo):
    plain = run(engine, photo)
    again = run(engine, photo, refine="always")
    (made,) = again.images
    assert made.before is not None
    assert np.array_equal(np.int16(made.before.image), pixels(plain))
    assert made.before.identity == plain.images[0].identity
    assert not np.array_equal(pixels(again), pixels(plain))
    assert np.array_equal(pixels(again), pixels(run(engine, photo, refine="always")))


def test_a_large_face_is_left_as_it_is_unless_told(engine, photo):
    assert run(engine, photo, refine="auto").images[0].before is None


def test_a_small_face_is_made_again_when_its_likeness_asks_for_it(engine, photo, monkeypatch):
    """In a picture three times the size of the crop the face is as large as ever, so the crop is made smaller."""
    made = []
    monkeypatch.setattr("generation.refine.SMALL", 0.1)
    for identity in (0.9, 0.1):
        monkeypatch.setattr("generation.refine.identity_of", lambda *_, value=identity: value)
        made.append(run(engine, photo, refine="auto"))
    assert np.array_equal(pixels(made[0]), pixels(made[1])), "without a gain in likeness nothing is put in its place"
    assert not made[0].notes
    assert any("left as it was" in note for note in made[1].notes)


def test_settings_say_which_pictures_they_need(engine, photo, scene):
    kept = json.loads(json.dumps(run(engine, photo, into=scene).settings))
    assert kept["needs"] == ["into"]
    again = GenerationRequest.from_settings(kept, (photo,), into=scene)
    *_, result = engine.generate(again)
    assert np.array_equal(pixels(result), pixels(run(engine, photo, into=scene)))


def test_what_the_photo_decides_is_told(engine, photo, scene):
    notes = engine.prepare(GenerationRequest(photos=(photo,), into=scene, view="up")).notes
    assert [note.split()[0] for note in notes if "no effect" in note] == ["view"]


@pytest.fixture
def wide(engine, monkeypatch):
    """A photo of one colour, 300 x 200 px, whose face fills a crop of about 64 px in the middle."""
    find = engine.analyzer.find

    def smaller(image):
        faces = find(image)
        if image.size != (300, 200):
            return faces
        (face,) = faces
        middle = np.float32((150, 100))
        unit = np.float32((50 / 300, 50 / 200))
        points = (face.keypoints - middle) * unit + middle
        return [replace(face, keypoints=points, box=(face.box - np.tile(middle, 2)) * np.tile(unit, 2) + 100)]

    monkeypatch.setattr(engine.analyzer, "find", smaller)
    return Image.new("RGB", (300, 200), (150, 120, 90))


def test_a_mask_larger_than_the_face_leaves_no_seam_at_the_edge_of_what_is_made(engine, photo, wide):
    wish = GenerationRequest(photos=(photo,), seed=1, into=wide, mask=Image.new("L", wide.size, 255))
    crop = engine.prepare(wish).scene.frame.crop
    columns, rows = np.meshgrid(np.arange(300), np.arange(200))
    at = crop.carry(np.stack([columns, rows], axis=-1))
    depth = np.minimum(at, 63 - at).min(axis=-1) / crop.scale
    change = np.abs(pixels(run(engine, photo, into=wide, mask=wish.mask)) - np.int16(wide))
    assert not change[depth < 0].any(), "outside of what is made no pixel changes"
    within = change[depth > 20].mean()
    assert within > 3
    assert change[(depth >= 0) & (depth < 2)].mean() < 0.1 * within


def test_a_mask_that_is_transparent_is_black_there(engine, photo, wide):
    with pytest.raises(RequestError, match="black everywhere"):
        engine.prepare(
            GenerationRequest(photos=(photo,), into=wide, mask=Image.new("RGBA", wide.size, (255,) * 3 + (0,)))
        )


def test_a_size_that_the_photo_decides_is_told(engine, photo, scene):
    for wish, told in (({"width": 96, "height": 64}, True), ({}, False)):
        request = GenerationRequest(photos=(photo,), into=scene, **wish).resolved(engine.profile)
        assert any("keeps its size" in note for note in engine.prepare(request).notes) == told
