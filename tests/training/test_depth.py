"""Depth of the drawn world: the head before its hair, the person before the place, the nose in front of all."""

from dataclasses import replace

import numpy as np
import pytest

from training.miniature.dataset import draw
from training.miniature.depth import draw_depths, render_depth
from training.miniature.draw import render, render_mask
from training.miniature.person import Person
from training.miniature.shot import Shot

PERSON = Person.from_seed(3)
SHOT = Shot(face_size=0.7)


def test_the_person_stands_before_the_place() -> None:
    depth, mask = render_depth(PERSON, SHOT), render_mask(PERSON, SHOT)
    assert depth.shape == (128, 128) and depth.dtype == np.uint8
    assert depth.min() == 0 and depth.max() == 255
    assert (depth[mask > 0.9] > 80).all()
    assert (depth[:8, :8] == 0).all()


def test_the_mask_is_what_differs_from_the_empty_place() -> None:
    plain = replace(SHOT, style="cartoon", place="plain green", clothes_colour="red")
    picture, mask = render(PERSON, plain).image.astype(int), render_mask(PERSON, plain)
    ground = picture[2, 2]
    differs = np.abs(picture - ground).max(axis=2) > 30
    assert (differs == (mask > 0.5)).mean() > 0.97


@pytest.mark.parametrize("roll", [-15.0, 0.0, 15.0])
def test_the_nose_is_the_nearest_of_a_head_seen_from_the_front(roll: float) -> None:
    shot = replace(SHOT, roll=roll)
    depth, nose = render_depth(PERSON, shot), render(PERSON, shot).keypoints[2]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    assert np.hypot(x - nose[0], y - nose[1]) < 14


def test_a_profile_shows_the_nose_in_its_outline() -> None:
    shot = replace(SHOT, yaw=70.0)
    depth, nose = render_depth(PERSON, shot), render(PERSON, shot).keypoints[2]
    row = depth[round(float(nose[1])) - 2]
    assert (row > 120).nonzero()[0].max() > nose[0] - 3


def test_the_ground_comes_nearer_where_there_is_one() -> None:
    outside, inside = (render_depth(PERSON, replace(SHOT, place=place)) for place in ("beach", "plain blue"))
    empty = render_mask(PERSON, SHOT)[:, 0] == 0
    assert outside[20, 0] == 0 and (np.diff(outside[empty, 0].astype(int)) >= 0).all()
    assert outside[empty, 0].max() > inside[empty, 0].max() == 0


def test_many_are_written_at_once(tmp_path) -> None:
    drawings = draw(2, 2, 0, tmp_path / "pictures", 32, processes=1)
    draw_depths(drawings, tmp_path / "depth.npy", 3)
    stored = np.load(tmp_path / "depth.npy")
    assert stored.shape == (3, 32, 32)
    assert np.array_equal(stored[2], render_depth(Person.from_seed(int(drawings.people[2])), drawings.shot(2), 32))
