"""People of the drawn world: apart from those of training, the same for the same seed, and wishes that can be seen."""

import numpy as np
import pytest

from evaluation.cases import Take
from evaluation.drawn import draw_world
from training.miniature.attributes import ATTRIBUTES, FILE, AttributeNet, save, tellable
from training.miniature.caption import description
from training.miniature.person import EVALUATION_SEEDS, EXAMPLE_SEEDS, TRAINING_SEEDS
from training.miniature.shot import PLACES, Shot


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    save(AttributeNet().state_dict(), folder / FILE)
    return folder


def world(bundle, seed, accept=lambda photo: True):
    return draw_world(3, 5, 40, seed, size=64, bundle=bundle, accept=accept)


def test_people_are_kept_apart_from_training_and_chosen_by_the_seed(bundle):
    first, again, other = world(bundle, 0), world(bundle, 0), world(bundle, 1)
    assert set(first.people) <= set(EVALUATION_SEEDS)
    assert not set(EVALUATION_SEEDS) & (set(TRAINING_SEEDS[::1000]) | set(EXAMPLE_SEEDS[::1000]))
    assert first.people == again.people
    assert not set(first.people) & set(other.people)
    assert first.wishes == again.wishes != other.wishes
    assert len(first.gallery) == 2
    photos = [np.asarray(one.subjects[0].photos[0]) for one in (first, again, other)]
    assert np.array_equal(photos[0], photos[1])
    assert not np.array_equal(photos[0], photos[2])


def test_drawing_is_told(bundle):
    seen = []
    draw_world(2, 3, 1, 0, size=64, bundle=bundle, accept=lambda photo: True, tell=lambda *told: seen.append(told))
    assert seen == [("drawing people", done, 3) for done in range(3)]


def test_photos_without_a_face_are_taken_again(bundle):
    seen = []

    def every_second(photo):
        seen.append(photo)
        return len(seen) % 2 == 0

    subjects = world(bundle, 0, every_second).subjects
    assert all(len(subject.photos) == 4 and len(subject.others) == 1 for subject in subjects)
    assert subjects[0].photos[0] is seen[1]


def test_everything_is_asked_for_and_nothing_that_cannot_be_seen(bundle):
    wishes = world(bundle, 0).wishes
    assert {wish.wanted["style"] for wish in wishes} == set(ATTRIBUTES["style"])
    assert {wish.wanted["clothes"] for wish in wishes} == set(ATTRIBUTES["clothes"])
    for wish in wishes:
        if wish.wanted["style"] in ("line art", "film noir"):
            assert "clothes_colour" not in wish.wanted
            assert not wish.wanted["place"].startswith("plain")
    assert not tellable("place", Shot(style="film noir", place="plain red"))
    assert tellable("clothes", Shot(style="film noir"))


@pytest.mark.parametrize("place", PLACES)
def test_a_description_says_the_place_and_the_clothes(place):
    words = description(Shot(place=place, clothes="suit", clothes_colour="orange"))
    assert "an orange suit" in words
    assert place.removeprefix("plain ").split()[0] in words


def test_a_true_picture_shows_the_person_as_asked(bundle):
    drawn = world(bundle, 0)
    left, right = (drawn.true_picture(Take(0, 0, view, 1)) for view in ("profile_left", "profile_right"))
    assert left.size == (64, 64)
    assert np.abs(np.int16(left) - np.int16(right)).mean() > 2
