"""An adapter of templates has to lead to the recogniser that the weights know."""

import numpy as np
import pytest

from errors import RequestError
from generation.recognisers import for_weights
from template_adapter.linear import About, LinearMap
from weights.registry import PROFILES


def adapter(target: str, width: int = 512) -> LinearMap:
    return LinearMap(np.zeros((256, width), np.float32), None, About("theirs", target, target_length=22.0))


@pytest.mark.parametrize(
    ("target", "profile"),
    [("miniature", "miniature"), ("antelopev2", "sdxl"), ("realvisxl", "yamermix"), ("a name of one's own", "sdxl")],
)
def test_an_adapter_for_the_weights_is_taken(target, profile):
    fitted = adapter(target)
    assert for_weights(fitted, PROFILES[profile]) is fitted


@pytest.mark.parametrize(
    ("target", "profile", "width", "named"),
    [
        ("antelopev2", "miniature", 512, "antelopev2"),
        ("miniature", "sdxl", 512, "miniature"),
        ("buffalo_l", "sdxl", 512, "buffalo_l"),
        ("antelopev2", "sdxl", 128, "128"),
    ],
)
def test_an_adapter_for_others_is_refused_with_a_cure(target, profile, width, named):
    with pytest.raises(RequestError) as told:
        for_weights(adapter(target, width), PROFILES[profile])
    assert told.value.field == "adapter" and named in told.value.message and told.value.cure
