"""A LoRA is part of what is exported."""

from dataclasses import replace

import numpy as np
import pytest

from errors import RequestError
from face.photo import open_photo
from generation.compiled import sources_of
from generation.loading import load_engine
from generation.request import GenerationRequest, Lora
from generation.settings import Settings
from openvino_backend.export import export
from weights.registry import ASSETS, PROFILES
from weights.store import Store

MINIATURE = PROFILES["miniature"]
LOOK = ("miniature-cyanotype", 0.8)


def test_a_lora_in_an_export_makes_the_picture_that_it_makes_on_torch(tmp_path):
    export(sources_of(MINIATURE, Store(), loras=(LOOK,)), tmp_path / "fp32", "miniature", "fp32")
    photo = open_photo(ASSETS / "examples/person_1.jpg")
    asked = GenerationRequest(photos=(photo,), prompt="a cyanotype of a person", seed=3, steps=6, loras=(Lora(*LOOK),))
    torches = load_engine(MINIATURE, Settings(device="cpu"))
    compiled = load_engine(MINIATURE, Settings(backend="openvino", device="CPU", exports=tmp_path))

    def made(engine, request):
        *_, result = engine.generate(request)
        return np.int16(np.asarray(result.images[0].image)), result

    theirs, _ = made(torches, asked)
    ours, result = made(compiled, asked)
    assert np.abs(theirs - ours).max() <= 1
    assert result.settings["loras"] and not any("miniature-cyanotype" in note for note in result.notes)
    plain = replace(asked, loras=())
    assert np.abs(made(torches, plain)[0] - theirs).mean() > 5  # it does something
    assert any("miniature-cyanotype" in note for note in made(compiled, plain)[1].notes)
    with pytest.raises(RequestError, match="not part of"):
        made(compiled, replace(asked, loras=(Lora(LOOK[0], 0.5),)))
