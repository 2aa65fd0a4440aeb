"""A recogniser without its detector gives what the analyzer gives for the same face."""

import shutil

import numpy as np
import pytest
from PIL import Image

from errors import WeightsMissing
from face.analyzer import FaceAnalyzer
from face.face import similarity
from face.recogniser import Recogniser
from training.miniature.draw import render
from training.miniature.person import Person
from training.miniature.shot import Shot
from weights.registry import ASSETS

PACK = ASSETS / "miniature" / "face"


@pytest.fixture(scope="module")
def picture():
    return Image.fromarray(render(Person.from_seed(9_100_000), Shot()).image)


def test_the_same_face_gives_the_same_embedding(picture, tmp_path):
    face = FaceAnalyzer(PACK, det_size=192).faces(picture)[0]
    shutil.copyfile(PACK / "rec.onnx", tmp_path / "rec.onnx")
    recogniser = Recogniser(tmp_path)
    assert np.array_equal(recogniser.embed(picture, face.keypoints), face.embedding)
    assert similarity(recogniser.embed(picture, face.keypoints + np.array([40, 0])), face.embedding) < 0.9


def test_a_pack_without_a_recogniser_is_told(tmp_path):
    shutil.copyfile(PACK / "det.onnx", tmp_path / "det.onnx")
    with pytest.raises(WeightsMissing, match="recognition"):
        Recogniser(tmp_path)
    with pytest.raises(WeightsMissing):
        Recogniser(tmp_path / "nowhere")
