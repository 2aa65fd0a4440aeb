"""State never leaks: whatever was asked before, with whichever features, a request makes what it makes alone."""

import gc
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from errors import Cancelled, RequestError
from generation.controls import Control
from generation.engine import Engine
from generation.people import Person
from generation.request import GenerationRequest, Lora
from template_adapter.template import Template
from tests import tiny_sdxl
from tests.generation.test_lora import LAYERS, save
from tests.steady_faces import SteadyAnalyzer
from tests.tiny_engine import tiny_pipeline
from weights.bundle import write_sums
from weights.registry import Part, Weight

pytestmark = pytest.mark.filterwarnings("ignore:Already found a `peft_config`:UserWarning")


@pytest.fixture(scope="module")
def loras(tmp_path_factory):
    """Files of a look and of a few-step mode."""
    folder, unet = tmp_path_factory.mktemp("loras"), tiny_sdxl.unet()
    return [
        save(folder / f"{name}.safetensors", layers, unet, scale=scale)
        for name, layers, scale in (("look", LAYERS, 1.0), ("lcm", LAYERS[:1], 0.5))
    ]


@pytest.fixture(scope="module")
def profile(tiny_profile, loras, tmp_path_factory):
    """Toy weights with a net of every kind and a few-step LoRA; the annotator of depth is the shipped one."""
    folder = tmp_path_factory.mktemp("nets")
    kinds = ("canny", "depth", "pose")
    for kind in kinds:
        tiny_sdxl.controlnet(kind).save_pretrained(folder / kind)
    write_sums(folder)
    nets = Weight("nets", "", None, (), "Apache-2.0", "", "tests", folder=folder)
    return replace(
        tiny_profile,
        controls=tuple((kind, Part(nets, kind)) for kind in kinds),
        fast=(("lcm", loras[1]),),
        turbo="lcm",
    )


@pytest.fixture(scope="module")
def wishes(photo, loras):
    """Name -> a request. Together they use every feature, alone and in company."""
    ground = Image.fromarray(np.random.default_rng(8).integers(0, 256, (72, 96, 3), np.uint8))
    half = Image.new("L", ground.size)
    half.paste(255, (0, 0, 60, 72))
    canny, depth = Control("canny", 1.0, picture=ground), Control("depth", 0.8, picture=photo)
    pose = Control("pose", 0.7, 0.0, 0.7, picture=ground, is_map=True)
    others = [Person((photo.rotate(angle),)) for angle in (90, 180, 270)]
    look = Lora(loras[0], 0.8)
    embedding = np.random.default_rng(2).standard_normal(512).astype(np.float32)
    asked = {
        "plain": {},
        "style, scheduler, strength": {"style": "Mars", "scheduler": "DPM++ 2M Karras", "adapter_scale": 0.2},
        "no IdentityNet": {"identity_net_scale": 0.0, "face_region": False, "scheduler": "Euler a"},
        "no adapter, two": {"adapter_scale": 0.0, "count": 2, "scheduler": "LCM"},
        "unguided view of another size": {"guidance": 1.0, "view": "tilt_left", "width": 80},
        "windows": {"identity_end": 0.5, "adapter_start": 0.4, "guidance_start": 0.3, "guidance_end": 0.7, "steps": 4},
        "template": {"photos": (), "template": Template(embedding), "view": "up"},
        "several photos": {"photos": (photo, photo.rotate(90)), "pose": ground},
        "canny": {"controls": (canny,)},
        "depth": {"controls": (depth,)},
        "three nets": {"controls": (canny, depth, pose), "guidance_end": 0.5, "loras": (look,)},
        "two people": {"others": (others[0],), "width": 96},
        "four people": {"others": tuple(others), "assignment": (2, 0, 3, 1), "width": 128, "controls": (canny,)},
        "two people from a picture": {"others": (others[0],), "start_picture": ground, "guidance_rescale": 0.4},
        "start": {"start_picture": ground, "strength": 0.7, "controls": (depth,)},
        "start, mask": {"start_picture": ground, "mask": half, "scheduler": "Heun"},
        "into": {"into": ground},
        "into, mask, net": {"into": ground, "mask": half, "controls": (canny,), "face_noise": 0.4},
        "refine": {"refine": "always", "view": "front", "view_size": 0.3},
        "refine, LoRA, net": {"refine": "always", "loras": (look,), "controls": (canny,)},
        "fast": {"mode": "fast", "steps": 4},
        "few steps": {"mode": "few-steps", "steps": 4},
        "LCM": {"mode": "turbo", "steps": 4},
        "LCM and a look": {"mode": "lcm", "steps": 4, "loras": (look,)},
        "official": {"strengths": "official", "identity_net_scale": 0.7},
        "balanced": {"strengths": "balanced", "compare_colours": True},
        "free": {"strengths": "free", "best_of": 2},
        "rescale and noise": {"guidance_rescale": 0.7, "face_noise": 0.5, "guidance": 6.0},
        "LoRA": {"loras": (look,)},
        "two LoRAs": {"loras": (Lora(loras[0], -0.5), Lora(loras[1], 0.6))},
    }
    common = {"photos": (photo,), "prompt": "a cook", "negative_prompt": "hat", "seed": 1}
    return {name: GenerationRequest(**{**common, **wish}) for name, wish in asked.items()}


def new_engine(profile):
    return Engine(tiny_pipeline(), SteadyAnalyzer(), profile)


@pytest.fixture(scope="module")
def alone(profile, wishes):
    """What each makes with weights that nobody else has used."""
    return {name: answer(new_engine(profile), wish) for name, wish in wishes.items()}


@pytest.fixture(scope="module")
def engine(profile):
    return new_engine(profile)


def answer(engine, wish):
    """Everything in a result that may depend on what came before."""
    *_, result = engine.generate(wish)
    pictures = [one for made in result.images for one in (made.image, made.before and made.before.image) if one]
    scores = [(made.seed, made.identity, made.keypoint_error, made.people, made.colours) for made in result.images]
    followed = [picture.tobytes() for _, picture in result.controls]
    return [picture.tobytes() for picture in pictures], scores, followed, result.settings, result.notes


def test_the_wishes_make_different_pictures(alone):
    pictures = [picture for pictures, *_ in alone.values() for picture in pictures]
    assert len(set(pictures)) == len(pictures)


def test_every_feature_after_every_other_makes_what_it_makes_alone(engine, wishes, alone):
    names = list(wishes)
    for order in (names, names[::-1]):
        for name in order:
            assert answer(engine, wishes[name]) == alone[name], f"{name}, in {order}"


def test_one_that_is_stopped_half_way_leaves_nothing(engine, wishes, alone):
    for name, wish in wishes.items():
        stop = threading.Event()
        hook = engine._pipeline.unet.register_forward_pre_hook(lambda *_, stop=stop: stop.set())
        with pytest.raises(Cancelled):
            list(engine.generate(wish, stop))
        hook.remove()
        assert answer(engine, wishes["plain"]) == alone["plain"], name


@pytest.mark.parametrize(
    ("after", "field"),
    [
        ({"loras": "foreign"}, "loras"),
        ({"controls": (Control("canny", float("nan")),)}, "controls"),
        ({"controls": (Control("canny", -1.0),)}, "controls"),
        ({"assignment": (0, 1)}, "assignment"),
        ({"mask": Image.new("L", (3, 3), 255)}, "mask"),
        ({"guidance_start": 0.9, "guidance_end": 0.1}, "guidance_start"),
        ({"strength": -0.5}, "strength"),
    ],
    ids=str,
)
def test_one_that_is_refused_leaves_nothing(engine, wishes, alone, tmp_path, after, field):
    foreign = save(tmp_path / "foreign.safetensors", ("down_blocks.7.attentions.0.proj_in",), None)
    changes = {"loras": (Lora(foreign),)} if after == {"loras": "foreign"} else after
    with pytest.raises(RequestError) as told:
        answer(engine, replace(wishes["start, mask"], **changes))
    assert told.value.field == field
    assert told.value.cure
    assert answer(engine, wishes["start, mask"]) == alone["start, mask"]


def test_no_tensor_of_a_request_stays_alive(engine, wishes):
    def tensors():
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    answer(engine, wishes["three nets"])  # nets stay in memory once they were used
    before = tensors()
    for wish in wishes.values():
        answer(engine, wish)
    assert tensors() == before
