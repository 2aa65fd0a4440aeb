"""The evaluation of a handful of drawn people, with the shipped miniature and both of its recognisers."""

from __future__ import annotations

import json

import pytest

from evaluation.measure import Eyes
from evaluation.run import Evaluation, evaluate, gather
from evaluation.suite import Suite
from face.face import similarity
from face.recogniser import Recogniser
from generation.engine import Engine
from generation.loading import fingerprint, load_engine
from generation.settings import Settings
from weights.published import ASSETS
from weights.store import Store

BUNDLE = ASSETS / "miniature"
SUITE = Suite("handful", people=3, gallery=10, pictures=3, views=0, parts=0, sweep=0)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load_engine("miniature", Settings(device="cpu"))


@pytest.fixture(scope="module")
def evaluation(engine: Engine) -> Evaluation:
    eyes = Eyes(engine.analyzer, Recogniser(BUNDLE / "face_other"))
    world = gather(engine, SUITE, 0, eyes, people=None, bundle=BUNDLE)
    return evaluate(engine, world, SUITE, 0, eyes, weights=fingerprint(engine.profile, Store(None, offline=True)))


def test_the_likeness_lies_between_strangers_and_true_photos(evaluation: Evaluation) -> None:
    identity = evaluation.figures["identity"]
    assert identity["different_mean"] + 0.1 < identity["neutral_mean"] < identity["true_pair_mean"]
    assert identity["found"] >= 0.6
    assert identity["among"] == 10


def test_the_neutral_judge_is_not_the_one_that_conditions(evaluation: Evaluation) -> None:
    made = evaluation.figures["identity"]["made"]
    assert made["neutral"]["mean"] != made["conditioning"]["mean"]
    look = next(sample.look for sample in evaluation.samples.values() if sample.look is not None)
    assert abs(similarity(look.embeddings["neutral"], look.embeddings["conditioning"])) < 0.5


def test_true_pictures_are_drawn_and_softened(evaluation: Evaluation) -> None:
    identity, prompt = evaluation.figures["identity"], evaluation.figures["prompt"]
    asked, copied = identity["true_as_asked"]["neutral"], identity["through_autoencoder"]["neutral"]
    assert asked["mean"] != copied["mean"]
    assert min(asked["mean"], copied["mean"]) > identity["different_mean"] + 0.1
    assert prompt["true"]["style"] >= 0.6
    assert prompt["through_autoencoder"].keys() == prompt["true"].keys()


def test_the_detector_is_held_against_what_was_drawn(evaluation: Evaluation) -> None:
    found = evaluation.figures["detector"]
    assert found["pictures"] == 10
    assert found["near"] >= 0.5 and 0 < found["error"] < 0.1


def test_all_of_it_can_be_written(evaluation: Evaluation) -> None:
    figures = json.loads(json.dumps(evaluation.figures, allow_nan=False))
    assert figures["bundle_megabytes"] < 60
    assert figures["pictures"] == 3
    assert 0 <= figures["prompt"]["place"] <= 1
