"""The face pack that comes with the miniature, through the same door as every other pack."""

from pathlib import Path

import numpy as np
import pytest
from insightface.app import FaceAnalysis
from PIL import Image
from skimage import data

from face.analyzer import FaceAnalyzer
from face.face import similarity
from face.keypoints import keypoint_error
from training.miniature.draw import render
from training.miniature.person import Person
from training.miniature.shot import Shot
from weights.registry import PROFILES

PACK = Path(__file__).parents[2] / "assets" / "miniature" / "face"


@pytest.fixture(scope="module")
def miniature() -> FaceAnalyzer:
    return FaceAnalyzer(PACK, det_size=128)


def test_it_opens_with_both_models(miniature):
    assert len(miniature.active_providers()) == 2
    assert {provider for row in miniature.active_providers().values() for provider in row} == {"CPUExecutionProvider"}


def test_its_embeddings_are_insightfaces_own(miniature):
    """The keypoints are given, so that this holds whatever the detector sees."""
    pixels = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    points = np.array([[45, 50], [80, 52], [60, 70], [48, 90], [78, 92]], np.float32)
    ours = miniature._face(pixels, np.array([[30, 20], [100, 110]]), points, 1.0)
    recogniser = FaceAnalysis(name=str(PACK), providers=["CPUExecutionProvider"]).models["recognition"]
    theirs = recogniser.get(np.ascontiguousarray(pixels[:, :, ::-1]), type("Given", (), {"kps": points})())
    assert np.allclose(ours.embedding, theirs, atol=1e-3 * np.abs(theirs).max())


def test_an_empty_picture_has_no_face(miniature):
    assert miniature.find(Image.new("RGB", (128, 128), "white")) == []


@pytest.fixture(scope="module")
def shipped() -> FaceAnalyzer:
    return FaceAnalyzer(PACK, det_size=PROFILES["miniature"].det_size)


def test_drawn_people_are_found_with_their_points_and_turn(shipped):
    rng = np.random.default_rng(77)
    errors, turns = [], []
    for _ in range(16):
        shot = Shot.sample(rng)
        drawn = render(Person.sample(rng), shot)
        faces = shipped.find(Image.fromarray(drawn.image))
        if faces:
            errors.append(keypoint_error(faces[0].keypoints, drawn.keypoints))
            turns.append(abs(faces[0].yaw - shot.yaw))
    assert len(errors) >= 15
    assert np.median(errors) < 0.1
    assert np.median(turns) < 10


def test_a_person_is_nearer_to_himself_than_to_others(shipped):
    rng = np.random.default_rng(78)
    people = [Person.sample(rng) for _ in range(8)]
    rows = [
        [shipped.faces(Image.fromarray(render(person, Shot.sample(rng, style="photo")).image))[0] for _ in range(2)]
        for person in people
    ]
    same = [similarity(a.embedding, b.embedding) for a, b in rows]
    different = [similarity(rows[index][0].embedding, rows[index - 1][1].embedding) for index in range(len(rows))]
    assert np.mean(same) > 0.4
    assert np.mean(different) < 0.2


def test_a_real_photograph_is_found(shipped):
    astronaut = Image.fromarray(data.astronaut())
    x0, y0, x1, y1 = shipped.faces(astronaut)[0].box
    assert 160 < (x0 + x1) / 2 < 280 and 40 < (y0 + y1) / 2 < 200, "her face, not something else"
