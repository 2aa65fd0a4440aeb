"""Settings compared on the same pictures."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from evaluation.cases import Setting, Take, Wish
from evaluation.comparisons import compare
from evaluation.gallery import Gallery
from evaluation.measure import Look, Sample
from evaluation.suite import Point
from face.views import view_keypoints

SIZE = (64, 64)
POINTS = view_keypoints("front", SIZE)
PEOPLE = 4


def look(cosine, subject):
    """A face whose cosine to the subject's own photos is given."""
    vector = np.zeros(16)
    vector[subject], vector[15] = cosine, np.sqrt(1 - cosine**2)
    return Look(POINTS, {"conditioning": vector, "neutral": vector})


def swept(settings, cosines):
    """A point a setting, and a picture of everybody in each with that cosine, None for no face."""
    points, samples = [], {}
    for (label, setting), row in zip(settings.items(), cosines, strict=True):
        takes = tuple(Take(subject, subject, "front", subject, setting) for subject in range(len(row)))
        points.append(Point(label, takes))
        for take, cosine in zip(takes, row, strict=True):
            seen = None if cosine is None else look(cosine, take.subject)
            samples[take] = Sample(take, Wish(""), Image.new("RGB", SIZE), 1.0, POINTS, seen)
    return points, samples


@pytest.fixture
def gallery():
    photos = [look(1.0, subject) for subject in range(PEOPLE)]
    return Gallery(photos, photos)


def test_more_photos_are_compared_on_the_same_pictures(gallery):
    settings = {str(count): Setting(references=count) for count in (1, 2, 4)}
    one, four = [0.2, 0.6, 0.9, 0.1], [0.3, 0.8, 0.9, None]
    points, samples = swept(settings, [one, [0.0] * PEOPLE, four])
    found = compare({"references": points}, samples, gallery)["references"]
    gains = [0.1, 0.2, 0.0]
    assert (found["from"], found["to"], found["pictures"]) == ("1", "4", 3)
    assert found["gain"] == pytest.approx(0.1), "who has no face with four photos does not count with one"
    assert found["error"] == pytest.approx(np.std(gains, ddof=1) / np.sqrt(3))


def test_people_with_too_few_photos_do_not_count(gallery):
    points, samples = swept({"1": Setting(), "4": Setting(references=4)}, [[0.2, 0.4, 0.6, 0.8], [0.3, 0.4, 0.6, 0.8]])
    points[1] = replace(points[1], takes=points[1].takes[:2])
    found = compare({"references": points}, samples, gallery)["references"]
    assert (found["pictures"], found["gain"]) == (2, pytest.approx(0.05))


def test_each_strength_is_compared_with_the_one_before(gallery):
    settings = {f"{value}": Setting(value, 0.0) for value in (0.0, 0.5, 1.0)}
    points, samples = swept(settings, [[0.0] * 4, [0.1, 0.2, 0.3, 0.4], [0.3, 0.2, 0.3, 0.4]])
    first, second = compare({"adapter_alone": points}, samples, gallery)["adapter_alone"]
    assert (first["from"], first["to"], first["gain"]) == ("0.0", "0.5", pytest.approx(0.25))
    assert second["gain"] == second["error"] == pytest.approx(0.05)


def test_few_steps_are_a_share_of_all_steps(gallery):
    settings = {"4, turbo": Setting(steps=4, mode="turbo"), "25": Setting()}
    points, samples = swept(settings, [[0.18, 0.36, 0.54, None], [0.2, 0.4, 0.6, 0.9]])
    (found,) = compare({"few_steps": points}, samples, gallery)["few_steps"]
    assert (found["steps"], found["pictures"], found["share"]) == (4, 3, pytest.approx(0.9))
    assert found["error"] == pytest.approx(0, abs=1e-9), "everybody keeps the same share"


def test_without_sweeps_there_is_nothing_to_compare(gallery):
    assert compare({}, {}, gallery) == {"adapter_alone": [], "identity_net_alone": [], "few_steps": []}
