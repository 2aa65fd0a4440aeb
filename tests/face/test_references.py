"""Several photos of a person: what is used, what is left out, and what each photo is told."""

import numpy as np
import pytest
from PIL import Image, ImageFilter
from skimage import data

from errors import NoFaceFound, RequestError
from face.face import Face, similarity
from face.references import SHARP, identify, sharpness
from tests.face.flags import flag_picture, surroundings

FLAG = (32, 64, 32)
# Two people whose embeddings have a cosine of about 0.01.
ONE, OTHER = 2, 4


def _photo(person: int, seed: int = 0, flag=FLAG) -> Image.Image:
    return flag_picture((128, 128), flag, background=surroundings(person, 20, seed))


EMPTY = Image.new("RGB", (128, 128), "gray")


def test_one_photo_gives_exactly_its_own_embedding(flags):
    photo = _photo(ONE)
    identity = identify([photo], flags)
    (face,) = flags.faces(photo)
    assert np.array_equal(identity.embedding, face.embedding) and identity.embedding.dtype == np.float32
    (report,) = identity.reports
    assert report.used and report.index == 0 and report.faces_found == 1 and report.cosine is None
    assert report.face is identity.face
    assert report.face_px == pytest.approx(32) and report.yaw == identity.face.yaw


def test_several_photos_give_the_mean_of_the_raw_embeddings(flags):
    photos = [_photo(ONE, seed) for seed in range(3)]
    identity = identify(photos, flags)
    rows = [flags.faces(photo)[0].embedding for photo in photos]
    assert np.allclose(identity.embedding, np.mean(rows, axis=0), rtol=1e-5)
    for index, report in enumerate(identity.reports):
        others = np.mean([row / np.linalg.norm(row) for i, row in enumerate(rows) if i != index], axis=0)
        assert report.used and report.cosine == pytest.approx(similarity(rows[index], others), abs=1e-5)
        assert (report.cosine or 0) > 0.8


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_somebody_else_is_left_out_wherever_he_stands(flags, place):
    photos = [_photo(ONE, seed) for seed in range(3)]
    photos.insert(place, _photo(OTHER))
    identity = identify(photos, flags)
    assert [report.used for report in identity.reports] == [index != place for index in range(4)]
    stranger = identity.reports[place]
    assert stranger.cosine is not None and stranger.cosine < 0.25
    assert stranger.verdict == f"Photo {place + 1} looks like someone else, cosine {stranger.cosine:.2f}; left out."
    assert np.array_equal(identity.embedding, identify(photos[:place] + photos[place + 1 :], flags).embedding)
    assert identity.face is identity.reports[0 if place else 1].face
    assert all((report.cosine or 0) > 0.8 for report in identity.reports if report.used)


def test_of_two_strangers_the_first_is_used_and_both_are_told(flags):
    identity = identify([_photo(ONE), _photo(OTHER)], flags)
    first, second = identity.reports
    assert first.used and not second.used
    assert np.array_equal(identity.embedding, flags.faces(_photo(ONE))[0].embedding)
    assert second.verdict == f"Photo 2 and photo 1 look like two people, cosine {second.cosine:.2f}; left out."
    assert first.cosine == pytest.approx(second.cosine)


def test_two_camps_of_one_size_keep_that_of_the_first_photo(flags):
    identity = identify([_photo(OTHER, 0), _photo(ONE, 0), _photo(ONE, 1), _photo(OTHER, 1)], flags)
    assert [report.used for report in identity.reports] == [True, False, False, True]


def test_photos_without_a_face_are_skipped_and_told(flags):
    identity = identify([EMPTY, _photo(ONE), EMPTY], flags)
    assert [report.used for report in identity.reports] == [False, True, False]
    for report in (identity.reports[0], identity.reports[2]):
        assert report.face is None and report.faces_found == 0 and report.cosine is None
        assert report.verdict == "No face found, skipped."
    assert identity.face is identity.reports[1].face


def test_no_face_in_any_photo_is_an_error(flags):
    with pytest.raises(NoFaceFound, match="No face was found") as caught:
        identify([EMPTY], flags)
    assert caught.value.field == "photos[0]"
    with pytest.raises(NoFaceFound, match="None of the 2 photos") as caught:
        identify([EMPTY, EMPTY], flags)
    assert caught.value.field == "photos" and "white border" in caught.value.message
    with pytest.raises(RequestError):
        identify([], flags)


def test_of_several_faces_the_largest_or_the_chosen_one_is_used(flags):
    photo = flag_picture((128, 128), (0, 16, 16), (64, 64, 32), background=surroundings(4))
    (largest,) = identify([photo], flags).reports
    (chosen,) = identify([photo], flags, choices=[1]).reports
    assert largest.faces_found == chosen.faces_found == 2
    assert largest.face_px == pytest.approx(32) and chosen.face_px == pytest.approx(16)
    assert "2 faces, the largest one used" in largest.verdict and "2 faces, the chosen one used" in chosen.verdict
    with pytest.raises(RequestError) as caught:
        identify([_photo(ONE), photo], flags, choices=[None, 2])
    assert caught.value.field == "photos[1]"
    with pytest.raises(RequestError):
        identify([photo], flags, choices=[None, None])


def test_the_verdict_tells_size_and_sharpness(flags):
    small = identify([_photo(ONE)], flags).reports[0]
    assert small.verdict.startswith("Very small face (32 px)") and small.verdict.endswith("Likeness may suffer.")
    grain = np.random.default_rng(0).integers(-12, 13, (512, 512, 1))
    plain = flag_picture((512, 512), (128, 256, 128), background=surroundings(ONE, side=512))
    large = Image.fromarray(np.clip(np.asarray(plain) + grain, 0, 255).astype(np.uint8))
    sharp = identify([large], flags).reports[0]
    assert "sharp" in sharp.verdict.lower() and "small" not in sharp.verdict
    assert sharp.face_px == pytest.approx(128)
    soft = identify([large.filter(ImageFilter.GaussianBlur(5))], flags).reports[0]
    assert "blurred" in soft.verdict.lower() and soft.verdict.endswith("Likeness may suffer.")


def test_sharpness_of_a_photograph_falls_with_every_blur():
    photo = Image.fromarray(data.astronaut())
    box = np.array([175, 70, 268, 163], np.float32)
    face = Face(np.zeros(512, np.float32), np.zeros((5, 2), np.float32), box, 1.0, photo.size)
    values = [sharpness(photo.filter(ImageFilter.GaussianBlur(radius)), face) for radius in (0, 1, 2, 4)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 2 * SHARP and values[2] < SHARP
