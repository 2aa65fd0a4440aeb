"""Several people in one picture: each in the place, and only there."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from errors import InputError, RequestError
from face.face import Face
from face.views import view_keypoints
from generation.people import Person, masks_of, scores_of, side_by_side
from generation.request import GenerationRequest
from generation.scoring import faces_at
from tests.steady_faces import SteadyAnalyzer

SIZE = (96, 64)


@pytest.fixture(scope="module")
def couple(photo):
    return (photo,), (Person((photo.rotate(90),)),)


def ask(couple, **wish):
    return GenerationRequest(photos=couple[0], others=couple[1], **{"seed": 1, "width": 96, "height": 64, **wish})


def run(engine, request):
    *_, result = engine.generate(request)
    return result


def pixels(result):
    return np.int16(result.images[0].image)


def test_each_head_is_in_a_part_of_its_own():
    places = side_by_side(3, (160, 96), None, 0.5, 0.5)
    masks = masks_of(places, (160, 96), face_region_only=False)
    assert masks.shape == (3, 96, 160)
    assert np.allclose(masks.sum(axis=0), 1, atol=1e-5)
    for person, points in enumerate(places):
        column, row = points[2].round().astype(int)
        assert masks[person, row, column] > 0.99
    near_faces = masks_of(places, (160, 96), face_region_only=True)
    assert (near_faces <= masks + 1e-6).all()
    assert near_faces.sum(axis=0).min() < 0.01


def test_two_people_who_are_one_make_the_picture_of_one(engine, photo):
    """The masks add up to one everywhere, so the sum of two equal faces is that face."""
    points = side_by_side(2, SIZE, None, 0.4, 0.5).tolist()
    same = GenerationRequest(
        photos=(photo,), others=(Person((photo,)),), seed=1, width=96, height=64, keypoints=points, face_region=False
    )
    two = engine.prepare(same)
    embedding = two.identities[0].embedding
    assert np.array_equal(two.identities[1].embedding, embedding)
    latents = [
        engine._pipeline(
            prompt="a cook",
            image_embeds=faces,
            image=two.landmarks,
            control_mask=masks,
            num_inference_steps=2,
            ip_adapter_scale=0.8,
            generator=torch.manual_seed(0),
            output_type="latent",
        ).images
        for faces, masks in (((embedding, embedding), tuple(two.region)), (embedding, None))
    ]
    assert np.allclose(latents[0], latents[1], atol=1e-3)


def test_the_assignment_says_who_stands_where(engine, couple):
    given, exchanged = (engine.prepare(ask(couple, assignment=order)) for order in ((0, 1), (1, 0)))
    assert np.array_equal(given.identities[0].embedding, exchanged.identities[1].embedding)
    assert not np.array_equal(pixels(run(engine, given)), pixels(run(engine, exchanged)))
    assert np.array_equal(pixels(run(engine, ask(couple))), pixels(run(engine, given)))


def test_the_coach_speaks_of_the_photos_of_the_first_person(engine, couple):
    result = run(engine, ask(couple, assignment=(1, 0), steps=1))
    first, *_ = engine.analyzer.find(couple[0][0])
    assert np.array_equal(result.references[0].face.embedding, first.embedding)


def test_every_person_has_a_score(engine, couple):
    result = run(engine, ask(couple))
    (made,) = result.images
    assert len(made.people) == 2
    assert sum(score.identity is not None for score in made.people) == 1, "SteadyAnalyzer finds one face"
    assert made.identity is None


def heads(size, *centres):
    places = [view_keypoints("front", size, face_size=0.3, centre=(x, 0.5)) for x in centres]
    embeddings = np.eye(len(places), 512, dtype=np.float32)
    return [
        Face(embedding, points, np.array([*points.min(axis=0), *points.max(axis=0)]), 0.9, size)
        for points, embedding in zip(places, embeddings, strict=True)
    ]


class Finds:
    def __init__(self, faces):
        self.faces = faces

    def find(self, image):
        return self.faces


def test_a_swap_is_seen_and_a_match_is_none():
    faces = heads((160, 96), 0.3, 0.7)
    places = np.stack([face.keypoints for face in faces])
    embeddings = [face.embedding for face in faces]
    image = Image.new("RGB", (160, 96))
    scores, swapped = scores_of(image, embeddings, places, Finds(faces[::-1]))
    assert [score.identity for score in scores] == [1, 1]
    assert not swapped
    scores, swapped = scores_of(image, embeddings[::-1], places, Finds(faces))
    assert [score.identity for score in scores] == [0, 0]
    assert swapped
    scores, swapped = scores_of(image, embeddings, places, Finds(faces[1:]))
    assert [score.identity for score in scores] == [None, 1]
    assert not swapped
    left = np.zeros((96, 160), np.float32)
    left[:, :80] = 0.1
    scores, _ = scores_of(image, embeddings, places, Finds(faces), left)
    assert [score.identity for score in scores] == [1, None], "who stands where nothing was made was not asked for"


def test_places_are_taken_from_a_pose_picture_from_left_to_right(engine, couple, monkeypatch):
    crowd = Image.new("RGB", (160, 96), "teal")
    faces = heads(crowd.size, 0.8, 0.5, 0.2)
    find = engine.analyzer.find
    monkeypatch.setattr(engine.analyzer, "find", lambda image: faces if image.size == crowd.size else find(image))
    places = engine.prepare(ask(couple, pose=crowd)).places
    assert places[0, 2, 0] < places[1, 2, 0]
    assert np.allclose(places[:, 2, 0], (48, 76.8), atol=1)
    notes = engine.prepare(ask(couple, pose=crowd)).notes
    assert "There are 3 faces in the picture for 2 people: the 2 largest give the places." in notes
    monkeypatch.setattr(engine.analyzer, "find", lambda image: faces[:1] if image.size == crowd.size else find(image))
    with pytest.raises(RequestError) as told:
        engine.prepare(ask(couple, pose=crowd))
    assert told.value.field == "pose"
    assert "2 people" in told.value.message


def test_a_further_person_without_a_face_is_the_one_who_is_named(engine, couple, monkeypatch):
    find = engine.analyzer.find
    monkeypatch.setattr(engine.analyzer, "find", lambda image: [] if image.size == (70, 70) else find(image))
    for other, field in (
        (Person((Image.new("RGB", (70, 70)),)), "others[1].photos[0]"),
        (Person((Image.new("RGB", (80, 80)), Image.new("RGB", (9, 9)))), "others[1].photos[1]"),
    ):
        with pytest.raises(InputError, match=r"^Person 3: ") as told:
            engine.prepare(replace(ask(couple), others=(*couple[1], other)))
        assert told.value.field == field
        assert told.value.cure


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"assignment": (0,)}, "assignment"),
        ({"assignment": (0, 0)}, "assignment"),
        ({"assignment": (0, 2)}, "assignment"),
        ({"assignment": "ab"}, "assignment"),
        ({"keypoints": ((1, 2), (9, 2), (5, 5), (2, 9), (8, 9))}, "keypoints"),
        ({"keypoints": (((1, 2), (9, 2), (5, 5), (2, 9), (8, 9)),)}, "keypoints"),
        ({"into": Image.new("RGB", (96, 64))}, "into"),
        ({"others": "Bob"}, "others"),
        ({"others": (Person(()),)}, "others"),
        ({"others": (Person((Image.new("RGB", (96, 64)),), (0, 1)),)}, "others"),
        ({"others": (Person((Image.new("RGB", (96, 64)),)),) * 4}, "others"),
    ],
)
def test_numbers_that_do_not_match_are_refused(engine, couple, wish, field):
    with pytest.raises(RequestError) as told:
        engine.prepare(replace(ask(couple), **wish))
    assert told.value.field == field
    assert told.value.cure


def test_a_bystander_is_not_taken_for_a_person_who_was_not_made(monkeypatch, photo):
    places = side_by_side(2, (192, 192), None, 0.3, 0.25)
    analyzer = SteadyAnalyzer()
    (face,) = analyzer.find(photo)
    beside, below = places[0] + 5, places[1] + np.float32((0, 100))
    found = [replace(face, keypoints=points) for points in (beside, below)]
    monkeypatch.setattr(analyzer, "find", lambda image: found)
    first, second = faces_at(photo, places, analyzer)
    assert first is found[0]
    assert second is None
    del found[0]
    assert faces_at(photo, places[1:], analyzer)[0] is found[0], "alone in the picture it can be nobody else"
