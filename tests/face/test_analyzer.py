"""The analyzer on a pack whose faces are flags placed to the pixel, and against insightface's own way through."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from insightface.app import FaceAnalysis
from insightface.utils.face_align import estimate_norm
from PIL import Image

from errors import NoFaceFound, RequestError, WeightsMissing
from face.analyzer import FaceAnalyzer, alignment, pick_face
from face.face import Face, similarity
from face.views import VIEWS, view_keypoints
from tests.face.flags import FLAG_BOX, FLAG_POINTS, flag_picture, save_detector, save_recogniser


def _expected(x, y, cell):
    corner = np.array([x, y], np.float32)
    return corner + FLAG_POINTS * cell, np.tile(corner, 2) + FLAG_BOX * cell


def _check(face: Face, flag, atol=0.01):
    keypoints, box = _expected(*flag)
    assert np.allclose(face.keypoints, keypoints, atol=atol)
    assert np.allclose(face.box, box, atol=atol)
    assert face.embedding.shape == (512,)
    assert {face.embedding.dtype, face.keypoints.dtype, face.box.dtype} == {np.dtype(np.float32)}
    assert 0.5 < face.det_score <= 1


def test_a_forked_process_does_not_wait_for_a_thread_it_does_not_have(flags):
    with flags._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if flags._lock.acquire(timeout=1) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(
    ("size", "flag"),
    [
        ((128, 128), (32, 64, 32)),
        ((512, 512), (128, 256, 128)),
        ((256, 128), (64, 64, 32)),
        ((128, 128), (32, 64, 8)),
        ((128, 128), (64, 64, 64)),
        ((64, 64), (0, 32, 32)),
    ],
    ids=["plain", "large picture", "wide picture", "larger size needed", "smaller size needed", "border needed"],
)
def test_flags_are_found_where_they_are(flags, size, flag):
    (face,) = flags.faces(flag_picture(size, flag))
    _check(face, flag)
    assert face.size == size


def test_the_pictures_need_what_their_names_say(flags):
    """Guards the test above: at the plain size alone only the first two kinds are seen."""
    for size, flag, seen in [
        ((128, 128), (32, 64, 32), True),
        ((512, 512), (128, 256, 128), True),
        ((128, 128), (32, 64, 8), False),
        ((128, 128), (64, 64, 64), False),
        ((64, 64), (0, 32, 32), False),
    ]:
        bgr = np.asarray(flag_picture(size, flag))[:, :, ::-1]
        assert (len(flags.detector.detect(bgr, input_size=(128, 128))[0]) > 0) is seen


def test_retries_truly_use_other_sizes(flag_pack):
    analyzer = FaceAnalyzer(flag_pack, det_size=128)
    assert analyzer.find(Image.new("RGB", (200, 200))) == []
    assert set(analyzer.detector.resolution_session_input_sizes) == {(64, 64), (128, 128), (256, 256)}


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize(
    ("size", "flag"),
    [((256, 256), (64, 128, 64)), ((512, 256), (128, 64, 64)), ((256, 512), (128, 256, 128))],
    ids=["square", "wide", "tall"],
)
def test_turned_pictures_give_keypoints_and_box_of_the_picture_as_given(flags, quarters, size, flag):
    upright = flag_picture(size, flag)
    (straight,) = flags.faces(upright)
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(np.asarray(upright), quarters)))
    (face,) = flags.faces(turned)
    assert face.size == turned.size
    width, height = size
    forth = {
        1: lambda p: np.stack([p[:, 1], width - p[:, 0]], axis=1),
        2: lambda p: np.array([width, height]) - p,
        3: lambda p: np.stack([height - p[:, 1], p[:, 0]], axis=1),
    }[quarters]
    assert np.allclose(face.keypoints, forth(straight.keypoints), atol=0.01)
    corners = forth(straight.box.reshape(2, 2))
    assert np.allclose(face.box, [*corners.min(axis=0), *corners.max(axis=0)], atol=0.01)
    assert similarity(face.embedding, straight.embedding) > 0.98


def test_a_large_photo_is_searched_small_and_answered_large(flags):
    turned = flag_picture((4096, 4096), (1024, 2048, 1024)).rotate(180)
    (face,) = flags.faces(turned)
    keypoints, _ = _expected(1024, 2048, 1024)
    assert np.allclose(face.keypoints, 4096 - keypoints, atol=0.5)


def test_faces_come_largest_first_and_one_rule_picks(flags):
    picture = flag_picture((128, 128), (0, 16, 16), (64, 64, 32), (32, 96, 16))
    faces = flags.faces(picture)
    assert [face.area for face in faces] == [2048, 512, 512]
    assert [f.box.tolist() for f in faces] == [f.box.tolist() for f in flags.faces(picture)]
    assert pick_face(faces) is faces[0]
    assert pick_face(faces[::-1]) is faces[0]
    assert pick_face(faces, 2) is faces[2]
    for wrong in (3, -1):
        with pytest.raises(RequestError, match="3") as caught:
            pick_face(faces, wrong, field="pose_face")
        assert caught.value.field == "pose_face"
    with pytest.raises(NoFaceFound):
        pick_face([])


def test_no_face_is_told_with_what_was_tried(flags):
    empty = Image.new("RGB", (200, 150), "gray")
    assert flags.find(empty) == []
    with pytest.raises(NoFaceFound) as caught:
        flags.faces(empty, field="pose")
    error = caught.value
    assert error.field == "pose" and error.cure
    for words in ("white border", "detection sizes 64 and 256", "90, 180 and 270 degrees"):
        assert words in error.message


def test_the_answer_is_insightfaces_own(flags, flag_pack):
    """Detection, alignment and embedding against FaceAnalysis.get, which is given BGR."""
    analysis = FaceAnalysis(name=str(flag_pack), providers=["CPUExecutionProvider"])
    analysis.prepare(ctx_id=0, det_size=(128, 128))
    noise = np.random.default_rng(1).integers(0, 16, (128, 128, 3), np.uint8)
    picture = Image.fromarray(
        np.clip(np.asarray(flag_picture((128, 128), (32, 64, 32))) - noise.astype(int), 0, 255).astype(np.uint8)
    )
    (theirs,) = analysis.get(np.asarray(picture)[:, :, ::-1])
    (ours,) = flags.faces(picture)
    assert np.allclose(ours.keypoints, theirs.kps, atol=1e-3) and np.allclose(ours.box, theirs.bbox, atol=1e-3)
    assert ours.det_score == pytest.approx(theirs.det_score, abs=1e-6)
    assert similarity(ours.embedding, theirs.embedding) > 0.9999
    assert np.linalg.norm(ours.embedding) == pytest.approx(np.linalg.norm(theirs.embedding), rel=1e-3)


@pytest.mark.parametrize("side", [112, 224, 128, 256])
@pytest.mark.parametrize("view", sorted(VIEWS))
def test_the_alignment_is_insightfaces(side, view):
    keypoints = view_keypoints(view, (640, 480))
    assert np.allclose(alignment(keypoints, side), estimate_norm(keypoints, side), atol=1e-3)


def test_keypoints_on_one_spot_still_align():
    assert np.isfinite(alignment(np.full((5, 2), 3.0), 112)).all()


def test_threads_get_what_one_alone_gets(flags):
    pictures = [flag_picture((128, 128), (32 * (i % 3), 32 + 32 * (i % 2), 32)) for i in range(6)]
    pictures += [flag_picture((128, 128), (32, 64, 32)).rotate(180), flag_picture((128, 128), (32, 64, 8))]
    alone = [flags.faces(picture)[0] for picture in pictures]
    together: dict[int, Face] = {}

    def work(index):
        together[index] = flags.faces(pictures[index % len(pictures)])[0]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4 * len(pictures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(together) == 4 * len(pictures)
    for index, face in together.items():
        assert np.array_equal(face.embedding, alone[index % len(pictures)].embedding)
        assert np.array_equal(face.keypoints, alone[index % len(pictures)].keypoints)


def test_providers_are_those_that_run(flags):
    assert flags.active_providers() == {"det.onnx": ["CPUExecutionProvider"], "rec.onnx": ["CPUExecutionProvider"]}


def test_nothing_is_printed(flag_pack, capfd):
    FaceAnalyzer(flag_pack, det_size=128).find(Image.new("RGB", (128, 128)))
    assert capfd.readouterr() == ("", "")


def test_a_folder_of_the_same_name_does_not_get_in_the_way(flag_pack, tmp_path, monkeypatch):
    (tmp_path / flag_pack.name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert FaceAnalyzer(flag_pack, det_size=128).faces(flag_picture((128, 128), (32, 64, 32)))
    with pytest.raises(WeightsMissing):
        FaceAnalyzer(Path(flag_pack.name), det_size=128)


def test_a_detector_of_one_fixed_size_keeps_to_it(tmp_path):
    save_detector(tmp_path / "det.onnx", side=128)
    save_recogniser(tmp_path / "rec.onnx")
    analyzer = FaceAnalyzer(tmp_path, det_size=640)
    assert analyzer.det_size == 128 and analyzer.other_sizes == ()
    _check(analyzer.faces(flag_picture((128, 128), (32, 64, 32)))[0], (32, 64, 32))
    with pytest.raises(NoFaceFound) as caught:
        analyzer.faces(Image.new("RGB", (64, 64)))
    assert "detection size" not in caught.value.message


@pytest.mark.parametrize("size", [0, 100, 32, -64])
def test_impossible_detection_sizes_are_refused(flag_pack, size):
    with pytest.raises(RequestError, match="32"):
        FaceAnalyzer(flag_pack, det_size=size)


def test_other_modes_are_brought_to_rgb(flags):
    picture = flag_picture((128, 128), (32, 64, 32))
    assert flags.faces(picture.convert("RGBA"))[0].box.tolist() == flags.faces(picture)[0].box.tolist()


def test_cosine():
    assert similarity(np.array([1, 0]), np.array([0, 2])) == 0
    assert similarity(np.array([1, 1]), np.array([3, 3])) == pytest.approx(1)
    assert similarity(np.zeros(512), np.ones(512)) == 0
