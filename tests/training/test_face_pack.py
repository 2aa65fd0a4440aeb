"""The face pack's training programs for a few steps, and its files in the real FaceAnalysis."""

import hashlib
import warnings

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from insightface.utils import face_align

from training.miniature import degrade, detector, recogniser
from training.miniature.alignment import TEMPLATE, crop_face, similarity
from training.miniature.dataset import draw
from training.miniature.detector_net import (
    ANCHORS,
    STRIDES,
    FaceDetector,
    InsightfaceForm,
    base_size,
    detection_loss,
    face_frames,
    follow,
    make_targets,
)
from training.miniature.export import largest_difference, store_half
from training.miniature.face_pack import DET_SIZE, open_analysis
from training.miniature.faces import Faces
from training.miniature.scene_effects import mirrored, warped
from training.miniature.scenes import SceneMaker, Sources, natural_pictures, prepare_sources
from training.miniature.sculpted import sculpt

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> Faces:
    """Six people, three pictures each."""
    return Faces.of(draw(6, 3, 0, tmp_path_factory.mktemp("few"), processes=1))


@pytest.fixture(scope="module")
def sources(few, tmp_path_factory) -> Sources:
    folder = tmp_path_factory.mktemp("sources")
    draw(2, 1, 0, folder / "crisp", size=256, processes=1)
    return prepare_sources(folder, few, crisp=2, heads=4, places=3)


def random_keypoints(rng: np.random.Generator, count: int) -> np.ndarray:
    angle, scale = rng.uniform(-0.6, 0.6, count), rng.uniform(0.3, 1.5, count)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], -1).reshape(-1, 2, 2)
    points = np.einsum("nij,kj->nki", turn, TEMPLATE - 56) * scale[:, None, None] + rng.uniform(80, 120, (count, 1, 2))
    return (points + rng.normal(0, 2, points.shape)).astype(np.float32)


class TestAlignment:
    def test_is_the_alignment_of_insightface(self):
        points = random_keypoints(np.random.default_rng(0), 20)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            expected = np.stack([face_align.estimate_norm(one) for one in points])
        np.testing.assert_allclose(similarity(points, TEMPLATE), expected, atol=1e-3)

    def test_crop_puts_the_eyes_where_the_template_has_them(self):
        image = np.zeros((200, 240, 3), np.uint8)
        points = (TEMPLATE - 56) * 0.8 + (120, 90)
        cv2.circle(image, points[0].round().astype(int).tolist(), 3, (255, 255, 255), -1)
        y, x = np.argwhere(crop_face(image, points)[..., 0] > 128).mean(axis=0)
        assert np.hypot(x - TEMPLATE[0, 0], y - TEMPLATE[0, 1]) < 1.0


class TestPictures:
    def test_codec_keeps_the_picture_and_loses_detail(self, few):
        codec = degrade.PatchCodec(few.images[0], components=30, samples=600)
        image = few.image(0)
        coded = codec(image, 30, np.random.default_rng(0), noise=0.0)
        assert coded.shape == image.shape and coded.dtype == np.uint8
        fewer = codec(image, 4, np.random.default_rng(0), noise=0.0)
        errors = [np.abs(one.astype(float) - image).mean() for one in (coded, fewer)]
        assert 0.5 < errors[0] < errors[1] < 60

    def test_keypoints_follow_a_warp_and_a_mirror(self):
        image = np.zeros((128, 128, 3), np.uint8)
        points = np.array([[40.0, 50.0], [80, 52], [60, 70], [45, 90], [78, 92]])
        cv2.circle(image, (40, 50), 2, (255, 255, 255), -1)
        moved, new = warped(image, points, np.random.default_rng(3))
        y, x = np.argwhere(moved[..., 0] > 100).mean(axis=0)
        assert np.hypot(x - new[0, 0], y - new[0, 1]) < 1.0
        assert np.abs(new - points).max() > 0.3
        flipped = mirrored(points[None], 128)[0]
        assert flipped[1] == pytest.approx([127 - 40, 50])
        assert flipped[0, 0] < flipped[1, 0] and flipped[3, 0] < flipped[4, 0]

    def test_sculpted_eyes_are_in_order_and_covered(self):
        rng = np.random.default_rng(1)
        for _ in range(5):
            head = sculpt(rng)
            x, y = head.keypoints.T
            assert x[0] < x[1] and x[3] < x[4] and y[:2].max() < y[3:].min()
            at = head.keypoints.round().astype(int)
            assert (head.cover[at[:, 1], at[:, 0]] > 200).all()

    def test_a_head_with_a_sharp_hairline_is_drawn_without_a_warning(self):
        head = sculpt(np.random.default_rng(63))
        assert hashlib.sha256(head.image.tobytes()).hexdigest()[:16] == "d5ba38b26c2c25a6"

    def test_scenes_are_repeatable_and_their_faces_lie_inside(self, sources):
        made = [SceneMaker(sources, DET_SIZE).make(np.random.default_rng(seed)) for seed in range(12)]
        again = SceneMaker(sources, DET_SIZE).make(np.random.default_rng(5))
        np.testing.assert_array_equal(again[0], made[5][0])
        assert sum(len(faces) for _, faces in made) > 5
        for image, faces in made:
            assert image.shape == (DET_SIZE, DET_SIZE, 3) and image.dtype == np.uint8
            assert all((((points > 0) & (points < DET_SIZE)).all(axis=1)).sum() >= 4 for points in faces)

    def test_no_photograph_of_the_background_shows_the_test_person(self):
        astronaut = cv2.resize(skimage.data.astronaut(), (64, 64)).astype(float)
        for picture in natural_pictures():
            assert np.abs(cv2.resize(picture, (64, 64)) - astronaut).mean() > 20


class TestDetectorNet:
    def test_targets_decode_to_the_faces_they_were_made_of(self):
        faces = [random_keypoints(np.random.default_rng(2), 1), np.empty((0, 5, 2), np.float32)]
        targets = make_targets(faces, DET_SIZE, DET_SIZE)
        wanted = faces[0][0]
        reached = 0
        for level, stride in enumerate(STRIDES):
            n, anchor, row, column = (index.numpy() for index in targets.cells[level])
            assert (n == 0).all()
            base = np.array([base_size(level, a) for a in anchor])
            cell = np.stack([(column + 0.5) * stride, (row + 0.5) * stride], -1)
            points = targets.places[level][:, 4:].numpy().reshape(-1, 5, 2) * base[:, None, None] + cell[:, None]
            np.testing.assert_allclose(points, np.broadcast_to(wanted, points.shape), atol=0.01)
            reached += len(n)
        assert reached > 0

    def test_every_size_of_face_has_an_anchor(self):
        for size in np.geomspace(12, 280, 25):
            points = ((TEMPLATE - 56) * size / 112 + 150)[None]
            targets = make_targets([points], 320, 320)
            assert max(float(wanted.max()) for wanted in targets.scores) > 0.5, size

    def test_insightface_form_says_what_the_targets_say(self):
        """A net whose raw answers are the targets gives, through the exported form, the wanted keypoints in pixels."""
        faces = [random_keypoints(np.random.default_rng(4), 1)]
        targets = make_targets(faces, DET_SIZE, DET_SIZE)
        raw = []
        for level, stride in enumerate(STRIDES):
            side = DET_SIZE // stride
            values = torch.zeros(1, ANCHORS, 15, side, side)
            values[:, :, 0] = torch.logit(targets.scores[level].clamp(1e-3, 1 - 1e-3))
            n, anchor, row, column = targets.cells[level]
            values[n, anchor, 1:, row, column] = targets.places[level]
            raw.append(values)
        net = FaceDetector()
        field = torch.zeros(1, 10, DET_SIZE // 8, DET_SIZE // 8)
        net.forward = lambda pictures: (raw, field)  # type: ignore[method-assign]
        out = [part.numpy() for part in InsightfaceForm(net)(torch.zeros(1, 3, DET_SIZE, DET_SIZE))]
        level = int(np.argmax([scores.max() for scores in out[:3]]))
        best, stride = int(out[level].argmax()), STRIDES[level]
        row, column = divmod(best // ANCHORS, DET_SIZE // stride)
        points = out[level + 6][best].reshape(5, 2) * stride + (column * stride, row * stride)
        np.testing.assert_allclose(points, faces[0][0], atol=0.05)
        box = out[level + 3][best] * stride * (-1, -1, 1, 1) + np.tile([column * stride, row * stride], 2)
        np.testing.assert_allclose(box, face_frames(faces[0])[2][0], atol=0.05)

    def test_a_true_field_brings_points_home(self):
        """Offsets from every cell's middle to a keypoint: bilinear reading is exact, wherever the points start."""
        wanted = random_keypoints(np.random.default_rng(6), 1)
        rows, columns = 24, 20
        middle = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), 0) * 8.0 + 4.0
        field = (wanted[0][:, :, None, None] - middle[None]).reshape(1, 10, rows, columns) / 8
        begin = torch.from_numpy(wanted + np.random.default_rng(1).normal(0, 5, (1, 5, 2)).astype(np.float32))[None]
        found = follow(torch.from_numpy(field.astype(np.float32)), begin)
        np.testing.assert_allclose(found[0].numpy(), wanted, atol=0.01)

    def test_loss_falls_to_nothing_at_the_targets(self):
        targets = make_targets([random_keypoints(np.random.default_rng(4), 1)], DET_SIZE, DET_SIZE)
        blank = [torch.zeros(1, ANCHORS, 15, DET_SIZE // stride, DET_SIZE // stride) for stride in STRIDES]
        losses = detection_loss(blank, targets)
        for values, wanted, cells, places in zip(blank, targets.scores, targets.cells, targets.places, strict=True):
            values[:, :, 0] = torch.logit(wanted.clamp(1e-4, 1 - 1e-4))
            values[cells[0], cells[1], 1:, cells[2], cells[3]] = places
        best = detection_loss(blank, targets)
        assert all(float(best[name]) < 0.01 * float(losses[name]) for name in losses)


class TestTraining:
    @pytest.mark.parametrize("net", recogniser.NETS)
    def test_recogniser_resumes_exactly_and_exports_what_it_is(self, few, tmp_path, net):
        def fresh() -> recogniser.Training:
            return recogniser.Training(few, seed=3, steps=4, batch=6, codec=False, net=net)

        whole = fresh()
        losses = [whole.advance() for _ in range(4)]
        first = fresh()
        assert [first.advance() for _ in range(2)] == losses[:2]
        first.save(tmp_path / "state.pt")
        second = fresh()
        second.load(tmp_path / "state.pt")
        assert [second.advance() for _ in range(2)] == losses[2:]
        path = recogniser.export(second.net, tmp_path)
        assert largest_difference(second.net, path, torch.randn(3, 3, 112, 112)) < 1e-4
        full = path.stat().st_size
        store_half(path)
        assert path.stat().st_size < 0.6 * full
        assert largest_difference(second.net, path, torch.randn(3, 3, 112, 112)) < 0.05
        assert set(recogniser.measure(tmp_path, few)) == {"same", "different", "rank1", "reference_rank1", "norm"}

    def test_detector_resumes_exactly_and_exports_what_it_is(self, sources, few, tmp_path):
        def fresh() -> detector.Training:
            return detector.Training(sources, seed=3, steps=4, batch=2, side=96)

        whole = fresh()
        losses = [whole.advance() for _ in range(3)]
        first = fresh()
        first.advance()
        first.save(tmp_path / "state.pt")
        second = fresh()
        second.load(tmp_path / "state.pt")
        assert [second.advance() for _ in range(2)] == losses[1:]
        path = detector.export(second.mean, tmp_path)
        for size in (DET_SIZE, 64):
            assert largest_difference(InsightfaceForm(second.mean), path, torch.randn(1, 3, size, size)) < 1e-4
        recogniser.export(recogniser.NETS["plain"](), tmp_path)
        analysis = open_analysis(tmp_path)
        assert {name: type(model).__name__ for name, model in analysis.models.items()} == {
            "detection": "SCRFD",
            "recognition": "ArcFaceONNX",
        }
        assert isinstance(analysis.get(np.ascontiguousarray(few.image(0)[..., ::-1])), list)
