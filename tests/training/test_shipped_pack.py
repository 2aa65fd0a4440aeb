"""The shipped face packs in the real FaceAnalysis, on drawn people whom they have not learnt from."""

import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from insightface.utils import face_align

from face.analyzer import FaceAnalyzer
from face.photo import open_photo
from template_adapter.linear import load_map, unit
from training.miniature import detector, recogniser
from training.miniature.alignment import interocular
from training.miniature.dataset import draw
from training.miniature.examples import FOLDER, TEMPLATE, TEMPLATE_OF, example_template
from training.miniature.face_pack import ASSETS, OTHER_ASSETS, Recogniser, open_analysis, open_detector
from training.miniature.faces import Faces
from training.miniature.person import EXAMPLE_SEEDS
from training.miniature.template_map import MAP_FILE

# Read off an enlarged crop of skimage.data.astronaut() by eye: pupils, nose tip, mouth corners (x, y px).
ASTRONAUT = np.array([[203.2, 101.7], [247.0, 103.6], [223.3, 126.7], [203.6, 140.1], [244.9, 141.0]])
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def unseen(tmp_path_factory) -> Faces:
    """Forty people of no training set, in three shots of the kind that the product makes and is shown."""
    options = {"face_size": (0.45, 0.8), "yaw": 35.0, "pitch": 18.0}
    return Faces.of(
        draw(
            40, 3, 9, tmp_path_factory.mktemp("unseen"), processes=1, first_person=EXAMPLE_SEEDS.start + 5000, **options
        )
    )


def test_keypoints_of_unseen_faces(unseen):
    faces = unseen.pick(range(0, len(unseen), 2))
    found = detector.measure(ASSETS, faces, detector.empty_places(25))
    assert found["found"] >= 0.97
    assert found["error"] <= 0.06
    assert found["false"] <= 0.04


def test_people_are_told_apart(unseen):
    found = recogniser.measure(ASSETS, unseen)
    assert found["rank1"] >= 0.95
    assert found["same"] >= 0.6
    assert abs(found["different"]) <= 0.08
    assert 18 < found["norm"] < 27


def test_the_foreign_pack_tells_people_apart_in_a_space_of_its_own(unseen):
    found = recogniser.measure(OTHER_ASSETS, unseen)
    assert found["rank1"] >= 0.8
    assert found["same"] >= 0.45
    assert abs(found["different"]) <= 0.08
    assert 18 < found["norm"] < 27
    images = [unseen.image(i) for i in range(0, 120, 3)]
    ours, theirs = (Recogniser(pack).embed_faces(images, unseen.keypoints[::3]) for pack in (ASSETS, OTHER_ASSETS))
    cosine = (ours * theirs).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert abs(cosine.mean()) < 0.05, "no template of one means anything to the other"


def test_real_photograph():
    photo = np.ascontiguousarray(skimage.data.astronaut()[..., ::-1])
    faces = open_analysis().get(photo)
    assert len(faces) == 1
    face = faces[0]
    error = np.linalg.norm(face.kps - ASTRONAUT, axis=1) / interocular(ASTRONAUT)
    assert error.max() < 0.3 and error.mean() < 0.15
    assert 15 < np.linalg.norm(face.embedding) < 30
    smaller = cv2.resize(photo, (300, 300), interpolation=cv2.INTER_AREA)
    other = open_analysis().get(smaller)[0]
    assert face.normed_embedding @ other.normed_embedding > 0.8


def test_nothing_is_found_where_nobody_is():
    find = open_detector()
    rng = np.random.default_rng(0)
    pictures = [
        np.full((128, 128, 3), 90, np.uint8),
        rng.integers(0, 256, (200, 300, 3)).astype(np.uint8),
        skimage.data.coffee(),
        skimage.data.rocket(),
    ]
    assert [len(find.detect(np.ascontiguousarray(picture[..., ::-1]))[0]) for picture in pictures] == [0, 0, 0, 0]


def test_batched_recogniser_agrees_with_insightface(unseen):
    analysis = open_analysis()
    image, points = unseen.image(0), unseen.keypoints[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        crop = face_align.norm_crop(np.ascontiguousarray(image[..., ::-1]), points)
    expected = analysis.models["recognition"].get_feat(crop)[0]
    found = Recogniser().embed_faces([image, image], [points, points])
    assert found.shape == (2, 512)
    similar = found[0] @ expected / np.linalg.norm(found[0]) / np.linalg.norm(expected)
    assert similar > 0.999


def test_size():
    sizes = {path.name: path.stat().st_size for path in Path(ASSETS).glob("*.onnx")}
    assert set(sizes) == {"det.onnx", "rec.onnx"}
    assert sum(sizes.values()) < 10_000_000


def test_the_example_template_is_of_the_shipped_foreign_pack_and_its_adapter_leads_to_the_person():
    kept, fresh = np.load(FOLDER / TEMPLATE), example_template()
    assert unit(kept) @ unit(fresh) > 0.999
    mapped = load_map(OTHER_ASSETS / MAP_FILE).map_template(kept).embedding
    own = FaceAnalyzer(ASSETS, det_size=256).faces(open_photo(FOLDER / TEMPLATE_OF))[0].embedding
    assert unit(mapped) @ unit(own) > 0.85
