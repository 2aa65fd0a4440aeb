"""The drawn world: the same seeds draw the same pictures, keypoints are exact, captions tell what is drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from errors import RequestError
from style_presets import NO_STYLE, STYLES
from training.miniature import dataset
from training.miniature.caption import caption
from training.miniature.draw import render, render_group, render_place
from training.miniature.examples import FOLDER, example_pictures
from training.miniature.features import skin_colour
from training.miniature.person import EVALUATION_SEEDS, EXAMPLE_SEEDS, TRAINING_SEEDS, Person
from training.miniature.presets_map import PRESETS, presets_of
from training.miniature.shot import EXPRESSIONS, GARMENTS, PLACES, SCENES, Shot
from training.miniature.shot import STYLES as DRAWN_STYLES

SIZE = 64


def _shots(count: int, **options: object) -> Iterator[tuple[Person, Shot]]:
    rng = np.random.default_rng(11)
    for seed in range(count):
        yield Person.from_seed(EVALUATION_SEEDS.start + seed), Shot.sample(rng, **options)  # type: ignore[arg-type]


def test_same_arguments_draw_the_same_bytes() -> None:
    for person, shot in _shots(7):
        first, again = render(person, shot, SIZE), render(person, shot, SIZE)
        assert first.image.tobytes() == again.image.tobytes()
        assert np.array_equal(first.keypoints, again.keypoints)
    assert Person.from_seed(5) == Person.from_seed(5) != Person.from_seed(6)


def test_seed_ranges_are_disjoint_and_in_order() -> None:
    assert TRAINING_SEEDS.stop <= EVALUATION_SEEDS.start < EVALUATION_SEEDS.stop <= EXAMPLE_SEEDS.start


def test_every_style_place_garment_and_expression_draws() -> None:
    person = Person.from_seed(1)
    pictures = set()
    for style in DRAWN_STYLES:
        for place in PLACES:
            drawn = render(person, Shot(style=style, place=place), 32)
            assert drawn.image.shape == (32, 32, 3) and drawn.image.dtype == np.uint8
            pictures.add(drawn.image.tobytes())
    assert len(pictures) == len(DRAWN_STYLES) * len(PLACES)
    for field, values in (("clothes", GARMENTS), ("expression", EXPRESSIONS)):
        drawn = {
            render(person, dataclasses.replace(Shot(), **{field: value}), SIZE).image.tobytes() for value in values
        }
        assert len(drawn) == len(values)


def test_keypoints_lie_inside_the_picture_and_the_box() -> None:
    for person, shot in _shots(30):
        drawn = render(person, shot, SIZE)
        assert drawn.keypoints.shape == (5, 2) and drawn.keypoints.dtype == np.float32
        x0, y0, x1, y1 = drawn.box
        margin = 0.12 * (y1 - y0)
        assert ((drawn.keypoints > [x0 - margin, y0 - margin]) & (drawn.keypoints < [x1 + margin, y1 + margin])).all()
        upright = Shot(face_size=shot.face_size, expression=shot.expression)
        left_eye, right_eye, nose, left_mouth, right_mouth = render(person, upright, SIZE).keypoints
        assert left_eye[0] < nose[0] < right_eye[0] and left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


@pytest.mark.parametrize("face_size", [0.15, 0.5, 1.1])
def test_keypoints_scale_with_face_and_picture(face_size: float) -> None:
    person = Person.from_seed(3)
    small = render(person, Shot(face_size=face_size, centre=(0.5, 0.5)), 64).keypoints
    large = render(person, Shot(face_size=face_size, centre=(0.5, 0.5)), 256).keypoints
    assert np.allclose(large, small * 4, atol=1e-3)
    half = render(person, Shot(face_size=face_size / 2, centre=(0.5, 0.5)), 64).keypoints
    assert np.allclose(small - 32, 2 * (half - 32), atol=1e-3)


def test_angles_move_the_face_the_way_they_say() -> None:
    def nose_offset(yaw: float = 0.0, pitch: float = 0.0) -> np.ndarray:
        points = render(Person.from_seed(4), Shot(yaw=yaw, pitch=pitch), 128).keypoints
        return points[2] - points[:2].mean(axis=0)

    straight = nose_offset()
    assert nose_offset(yaw=30)[0] > straight[0] + 3 and nose_offset(yaw=-30)[0] < straight[0] - 3
    assert nose_offset(pitch=20)[1] < straight[1] - 1.5 < straight[1] + 1.5 < nose_offset(pitch=-20)[1]
    rolled = render(Person.from_seed(4), Shot(roll=20), 128).keypoints
    eyes = rolled[1] - rolled[0]
    assert np.degrees(np.arctan2(eyes[1], eyes[0])) == pytest.approx(20, abs=0.5)


def test_keypoints_sit_on_what_is_drawn() -> None:
    """The eye's own keypoint is on the dark pupil, the nose keypoint on skin."""
    for seed in range(EVALUATION_SEEDS.start, EVALUATION_SEEDS.start + 12):
        person = dataclasses.replace(
            Person.from_seed(seed), glasses="none", eye_open=1.1, eye_size=1.2, hair_style="cropped", fringe=0.0
        )
        for yaw in (-20, 0, 20):
            drawn = render(person, Shot(yaw=yaw, light_strength=0.2, style="cartoon"), 256)
            for x, y in drawn.keypoints[:2].round().astype(int):
                assert drawn.image[y + 1 : y + 3, x : x + 3].mean() < 60
            x, y = drawn.keypoints[2].round().astype(int)
            difference = np.median(drawn.image[y - 8 : y + 9, x - 8 : x + 9], axis=(0, 1)) - skin_colour(person)
            assert np.abs(difference).mean() < 60


def test_identity_is_stable_over_shots() -> None:
    """Skin seen on the cheek stays nearer to the person's own skin than to another's."""
    pale = dataclasses.replace(Person.from_seed(1), skin=0.05, beard="none", blush=0.0, freckles=0.0, hair_style="bald")
    dark = dataclasses.replace(pale, skin=0.95)
    rng = np.random.default_rng(2)
    for _ in range(10):
        shot = Shot.sample(rng, yaw=20, pitch=10, roll=10, styles=("photo", "cartoon"), place="plain blue")
        means = []
        for person in (pale, dark):
            drawn = render(person, shot, 128)
            x, y = drawn.keypoints[[2, 4 if shot.yaw < 0 else 3]].mean(axis=0).astype(int)
            means.append(drawn.image[y - 2 : y + 3, x - 2 : x + 3].mean())
        assert means[0] > means[1] + 60


def test_a_group_shares_one_picture_and_a_place_can_be_empty() -> None:
    members = [
        (Person.from_seed(i), Shot(face_size=0.3, centre=(x, 0.4), place="beach")) for i, x in enumerate((0.25, 0.75))
    ]
    faces = render_group(members, 96)
    assert faces[0].image.tobytes() == faces[1].image.tobytes()
    assert faces[0].box[2] < faces[1].box[0]
    alone = render(*members[0], 96)
    assert np.array_equal(alone.keypoints, faces[0].keypoints)
    assert render_place(members[0][1], 96).tobytes() != faces[0].image.tobytes()


def test_sampling_keeps_to_its_limits() -> None:
    for _, shot in _shots(
        200, yaw=10, pitch=5, roll=3, face_size=(0.2, 0.3), styles=("neon",), places=("mars", "snow")
    ):
        assert abs(shot.yaw) <= 10 and abs(shot.pitch) <= 5 and abs(shot.roll) <= 3
        assert 0.2 <= shot.face_size <= 0.3 and shot.style == "neon" and shot.place in ("mars", "snow")
    with pytest.raises(TypeError, match="hat"):
        Shot.sample(np.random.default_rng(0), hat="red")


def test_captions_say_what_is_drawn() -> None:
    rng = np.random.default_rng(5)
    place_words = {"mars": "mars", "jungle": "jungle", "snow": "snow", "library": "book", "underwater": "fish"}
    told = 0
    for person, shot in _shots(400):
        text = caption(person, shot, rng)
        for place, word in place_words.items():
            if shot.place != place and word not in ("book", "fish"):
                assert f" {word}" not in text.replace("snowflakes", ""), (shot.place, text)
        told += shot.place in text
        if person.glasses == "none":
            assert "glasses" not in text
        if person.beard == "none":
            assert "beard" not in text and "moustache" not in text
        if person.woman:
            assert " man" not in text
        if "hair" in text and "hair in a bun" not in text:
            assert person.hair_colour in text
        if "wearing" in text and shot.style not in ("line art", "film noir"):
            assert shot.clothes_colour in text
    assert told > 80


def test_plain_captions_leave_out_who_it_is() -> None:
    rng = np.random.default_rng(6)
    for person, shot in _shots(300):
        text = caption(person, shot, rng, identity_words=False)
        assert not any(word in text for word in ("hair", "glasses", "beard", "bald", "freckles", "young", "earrings"))


def test_presets_are_learned_by_their_own_words() -> None:
    assert set(PRESETS) == set(STYLES) - {NO_STYLE}
    for wanted in PRESETS.values():
        assert wanted["style"] in DRAWN_STYLES and wanted.get("place", "mars") in PLACES
    rng = np.random.default_rng(7)
    before, after = STYLES["Mars"].prompt.split("{prompt}")
    shot = Shot(style="photo", place="mars")
    assert presets_of(shot) == ["Mars"]
    texts = [caption(Person.from_seed(1), shot, rng) for _ in range(200)]
    share = sum(text.startswith(before) and text.endswith(after) for text in texts) / len(texts)
    assert 0.25 < share < 0.55
    described = sum(bool(presets_of(shot)) for _, shot in _shots(300))
    assert described > 150


def test_scenes_differ_around_a_large_face() -> None:
    """At 128 px beside a face of 60 % of the height, the mean colours of border patches tell the scenes apart."""
    person = Person.from_seed(9)

    def patches(place: str, texture: int) -> np.ndarray:
        image = render(person, Shot(place=place, texture=texture, face_size=0.6), 128).image.astype(float)
        cells = image.reshape(4, 32, 4, 32, 3).mean(axis=(1, 3))
        return cells[[0, 0, 0, 0, 1, 1, 2, 2], [0, 1, 2, 3, 0, 3, 0, 3]].ravel()

    reference = {place: np.mean([patches(place, t) for t in range(4)], axis=0) for place in SCENES}
    right = 0
    for place in SCENES:
        for texture in (20, 21):
            seen = patches(place, texture)
            right += min(SCENES, key=lambda name: float(np.abs(reference[name] - seen).mean())) == place
    assert right >= 0.9 * 2 * len(SCENES)


def _everything(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in sorted(folder.iterdir())]


def test_drawing_resumes_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "_CHUNK", 2)
    whole = dataset.draw(5, 2, 3, tmp_path / "whole", size=32, processes=1, yaw=20)
    assert whole.images.shape == (10, 32, 32, 3) and whole.people.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]

    real = dataset.render
    calls = 0

    def failing(*arguments):
        nonlocal calls
        calls += 1
        if calls == 7:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(dataset, "render", failing)
    with pytest.raises(KeyboardInterrupt):
        dataset.draw(5, 2, 3, tmp_path / "broken", size=32, processes=1, yaw=20)
    with pytest.raises(RequestError, match="not finished"):
        dataset.load(tmp_path / "broken")
    dataset.draw(5, 2, 3, tmp_path / "broken", size=32, processes=1, yaw=20)
    assert calls == 7 + 6
    assert _everything(tmp_path / "whole") == _everything(tmp_path / "broken")


def test_a_loaded_record_draws_its_picture_again(tmp_path: Path) -> None:
    drawings = dataset.draw(2, 2, 9, tmp_path, size=32, processes=1)
    for index in range(len(drawings)):
        drawn = render(Person.from_seed(int(drawings.people[index])), drawings.shot(index), 32)
        assert np.array_equal(drawn.image, drawings.images[index])
        assert np.array_equal(drawn.keypoints, drawings.keypoints[index])
        assert len(drawings.records[index]["captions"]) == len(drawings.records[index]["plain_captions"]) == 3


def test_another_data_set_is_not_overwritten(tmp_path: Path) -> None:
    dataset.draw(1, 1, 0, tmp_path, size=32, processes=1)
    with pytest.raises(RequestError, match="other settings"):
        dataset.draw(1, 1, 1, tmp_path, size=32, processes=1)
    with pytest.raises(RequestError, match="no drawings"):
        dataset.load(tmp_path / "nothing")


def test_two_processes_draw_what_one_draws(tmp_path: Path) -> None:
    dataset.draw(51, 1, 4, tmp_path / "one", size=32, processes=1)
    dataset.draw(51, 1, 4, tmp_path / "two", size=32, processes=2)
    assert _everything(tmp_path / "one") == _everything(tmp_path / "two")


def test_example_photos_are_those_the_program_draws() -> None:
    drawn = example_pictures(128)
    names = {file.name for file in FOLDER.glob("*.jpg")}
    assert set(drawn) == names and len(names) == 10
    for name in sorted(names):
        file = FOLDER / name
        assert file.stat().st_size < 150_000
        with Image.open(file) as picture:
            assert picture.size == (512, 512) and not picture.getexif()
            small = np.asarray(picture.resize((128, 128), Image.Resampling.BOX)).astype(float)
        assert np.abs(small - drawn[name]).mean() < 6, name
