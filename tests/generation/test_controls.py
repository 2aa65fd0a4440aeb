"""Further ControlNets: what they read, that they act beside the face, and that nothing of them stays."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from PIL import Image

from errors import RequestError
from generation import annotate
from generation.controls import Control, _fits, load_net
from generation.request import GenerationRequest
from tests import tiny_sdxl
from weights.bundle import write_sums
from weights.published import MINIATURE
from weights.registry import ASSETS, PROFILES, WEIGHTS, Part, Weight

PHOTO = Image.new("RGB", (80, 80), "teal")


@pytest.fixture(scope="module")
def nets(tmp_path_factory):
    """A shipped weight with three nets, one of them for another base."""
    folder = tmp_path_factory.mktemp("controls")
    for name in ("edges", "depth"):
        tiny_sdxl.controlnet(name).save_pretrained(folder / name)
    foreign = {**tiny_sdxl.SHARED, "cross_attention_dim": 32}
    ControlNetModel(conditioning_embedding_out_channels=(8, 8, 16, 16), **foreign).save_pretrained(folder / "foreign")
    plain = {
        **tiny_sdxl.SHARED,
        "down_block_types": ("DownBlock2D",) * len(tiny_sdxl.SHARED["down_block_types"]),
        "mid_block_type": "UNetMidBlock2D",
        "cross_attention_dim": 32,
    }
    net = ControlNetModel(conditioning_embedding_out_channels=(8, 8, 16, 16), **plain)
    tiny_sdxl.fill(net, "convolutions").save_pretrained(folder / "convolutions")
    write_sums(folder)
    return Weight("nets", "", None, (), "Apache-2.0", "", "tests", folder=folder)


@pytest.fixture
def controlled(engine, nets, monkeypatch):
    """The engine with a profile that has nets for edges alone."""
    profile = replace(engine.profile, controls=(("canny", Part(nets, "edges")), ("depth", Part(nets, "none"))))
    monkeypatch.setattr(engine, "profile", profile)
    return engine


@pytest.fixture
def square():
    """A white square on black, 160 x 80 px."""
    picture = Image.new("RGB", (160, 80))
    picture.paste((255, 255, 255), (40, 20, 80, 60))
    return picture


def run(engine, photo, **wish):
    *_, result = engine.generate(GenerationRequest(photos=(photo,), seed=1, **wish))
    return result


def pixels(result):
    return np.int16(result.images[0].image)


def test_edges_are_drawn_letterboxed(square):
    drawn = np.asarray(annotate.letterboxed(square, (160, 160), annotate.canny))
    assert drawn.shape == (160, 160, 3)
    assert not drawn[:40].any()
    assert not drawn[120:].any()
    assert drawn[58:62, 41:79].max() == 255
    assert (drawn > 0).mean() < 0.05


def test_a_control_acts_for_its_request_and_is_shown(controlled, photo, square):
    plain = pixels(run(controlled, photo))
    result = run(controlled, photo, controls=(Control("canny", 1.0, picture=square),))
    assert not np.array_equal(pixels(result), plain)
    ((kind, shown),) = result.controls
    assert kind == "canny"
    assert shown.size == (64, 64)
    assert any("other proportions" in note for note in result.notes)
    assert result.settings["followed"] == [
        {"kind": "canny", "strength": 1.0, "start": 0.0, "end": 1.0, "is_map": False}
    ]
    assert result.settings["needs"] == ["controls"]
    assert np.array_equal(pixels(run(controlled, photo)), plain)


def test_a_control_of_no_strength_changes_nothing(controlled, photo, square):
    off = run(controlled, photo, controls=(Control("canny", 0.0, picture=square),))
    assert np.array_equal(pixels(off), pixels(run(controlled, photo)))


def test_two_controls_with_windows_and_a_picture_to_start_from(controlled, photo, square):
    both = (Control("canny", 0.8, end=0.5, picture=square), Control("canny", 0.5, start=0.5, picture=photo))
    made = [
        pixels(run(controlled, photo, controls=chosen, start_picture=photo, steps=6))
        for chosen in (both, both[:1], both)
    ]
    assert not np.array_equal(made[0], made[1])
    assert np.array_equal(made[0], made[2])


def test_guidance_may_begin_late_and_end_early_beside_a_control(controlled, photo, square):
    wish = {"controls": (Control("canny", picture=square),), "steps": 4}
    made = pixels(run(controlled, photo, **wish, guidance_start=0.25, guidance_end=0.5))
    assert not np.array_equal(made, pixels(run(controlled, photo, **wish)))


def test_what_is_made_of_the_photo_is_followed_when_there_is_no_other(controlled, photo, square):
    request = GenerationRequest(photos=(photo,), into=square, controls=(Control("canny"),), seed=1)
    prepared = controlled.prepare(request)
    made = prepared.scene.canvas.picture
    expected = annotate.letterboxed(made, made.size, annotate.canny)
    assert np.array_equal(np.asarray(prepared.controls[0].picture), np.asarray(expected))


@pytest.mark.parametrize(("part", "value"), [("strength", math.nan), ("start", -1.0), ("end", 7.0)])
def test_what_is_wrong_with_a_control_is_named(controlled, photo, part, value):
    with pytest.raises(RequestError, match=f"The {part} of the control canny"):
        run(controlled, photo, controls=(Control("canny", picture=PHOTO, **{part: value}),))


def test_the_pose_picture_is_followed_when_there_is_no_other(controlled, photo):
    ((_, shown),) = run(controlled, photo, pose=photo, controls=(Control("canny"),)).controls
    assert np.array_equal(np.asarray(shown), np.asarray(annotate.letterboxed(photo, (64, 64), annotate.canny)))


@pytest.mark.parametrize(
    "control",
    [
        Control("canny"),
        Control("edges", picture=PHOTO),
        Control(3, picture=PHOTO),
        Control("canny", math.nan, picture=PHOTO),
        Control("canny", -1.0, picture=PHOTO),
        Control("canny", start=0.5, end=0.5, picture=PHOTO),
        Control("canny", picture="photo.jpg"),
        Control("canny", picture=PHOTO, is_map="yes"),
        Control("depth", picture=PHOTO),
        Control("pose", picture=PHOTO),
        "canny",
    ],
)
def test_nonsense_is_refused_and_the_next_request_works(controlled, photo, control):
    with pytest.raises(RequestError) as told:
        run(controlled, photo, controls=(control,))
    assert told.value.field == "controls"
    assert told.value.cure
    assert controlled.waiting == 0


def test_a_map_is_read_as_it_is(controlled, photo, square):
    ((_, shown),) = run(controlled, photo, controls=(Control("canny", picture=square, is_map=True),)).controls
    assert np.array_equal(np.asarray(shown), np.asarray(annotate.letterboxed(square, (64, 64), lambda map: map)))
    assert np.asarray(shown)[28:36, 20:28].min() > 250, "the square is still filled"


def test_a_net_without_attention_acts_whatever_width_its_config_names(engine, nets, photo, square, monkeypatch):
    profile = replace(engine.profile, controls=(("canny", Part(nets, "convolutions")),))
    monkeypatch.setattr(engine, "profile", profile)
    plain = pixels(run(engine, photo))
    assert not np.array_equal(pixels(run(engine, photo, controls=(Control("canny", 1.0, picture=square),))), plain)
    assert np.array_equal(pixels(run(engine, photo)), plain)


@pytest.mark.parametrize("kind", ["canny", "depth"])
def test_the_miniature_knows_where_its_nets_lie(kind):
    part = dict(PROFILES["miniature"].controls)[kind]
    assert (part.weight, part.path) == (MINIATURE, f"controls/{kind}")
    folder = ASSETS / "miniature" / part.path
    if folder.exists():
        net = load_net(folder)
        unet = UNet2DConditionModel.load_config(ASSETS / "miniature" / "base" / "unet")
        assert _fits(net.config, unet)
        picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8))
        assert annotate.canny(picture).size == picture.size


def test_a_net_of_another_base_is_refused(engine, nets, photo, monkeypatch):
    plain = pixels(run(engine, photo))
    monkeypatch.setattr(engine, "profile", replace(engine.profile, controls=(("canny", Part(nets, "foreign")),)))
    with pytest.raises(RequestError) as told:
        run(engine, photo, controls=(Control("canny", picture=PHOTO),))
    assert "another base" in told.value.message
    assert np.array_equal(pixels(run(engine, photo)), plain)


def test_nets_and_annotators_are_registered_with_licences():
    for name in ("sdxl", "realvisxl", "yamermix"):
        assert {kind for kind, _ in PROFILES[name].controls} == set(annotate.ANNOTATORS)
    parts = [part.weight for profile in PROFILES.values() for _, part in profile.controls]
    finders = [part.weight for profile in PROFILES.values() for _, found in profile.annotators for part in found]
    for weight in (*parts, *finders):
        assert WEIGHTS[weight.name] is weight
        assert weight.licence


def test_a_skeleton_has_openposes_colours_and_leaves_unsure_joints_out():
    joints = np.zeros((17, 3))
    joints[0] = (100, 40, 0.9)
    joints[5], joints[6] = (130, 80, 0.9), (70, 80, 0.9)
    joints[7] = (150, 120, 0.1)
    drawn = np.asarray(annotate.draw_skeletons(joints[None], (200, 160)))
    assert tuple(drawn[40, 100]) == (255, 0, 0), "nose"
    assert tuple(drawn[80, 100]) == (255, 85, 0), "neck, between the shoulders"
    assert tuple(drawn[80, 70]) == (255, 170, 0), "right shoulder"
    assert tuple(drawn[80, 85]) == (153, 0, 0), "limb from neck to right shoulder"
    assert not drawn[115:].any()


@pytest.fixture(scope="module")
def annotators(tmp_path_factory):
    """The annotators' classes at toy size, with weights of no meaning."""
    import transformers as hf

    folder = tmp_path_factory.mktemp("annotators")
    torch.manual_seed(0)
    eye = hf.Dinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
    )
    depth = hf.DepthAnythingConfig(
        backbone_config=eye,
        reassemble_hidden_size=32,
        patch_size=14,
        neck_hidden_sizes=[8, 16, 16, 16],
        fusion_hidden_size=16,
        head_hidden_size=8,
    )
    hf.DepthAnythingForDepthEstimation(depth).save_pretrained(folder / "depth")
    hf.DPTImageProcessorPil(size={"height": 28, "width": 28}, ensure_multiple_of=14).save_pretrained(folder / "depth")
    body = hf.VitPoseBackboneConfig(
        image_size=[32, 24],
        patch_size=[8, 8],
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        out_indices=[2],
    )
    names = {number: str(number) for number in range(17)}
    joints = hf.VitPoseConfig(backbone_config=body, use_simple_decoder=True, num_labels=17, id2label=names)
    hf.VitPoseForPoseEstimation(joints).save_pretrained(folder / "joints")
    hf.VitPoseImageProcessorPil(size={"height": 32, "width": 24}).save_pretrained(folder / "joints")
    look = hf.RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    people = hf.RTDetrConfig(
        backbone_config=look,
        encoder_hidden_dim=16,
        encoder_in_channels=[8, 16, 16],
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        d_model=16,
        num_queries=10,
        decoder_in_channels=[16, 16, 16],
        decoder_ffn_dim=16,
        decoder_attention_heads=2,
        decoder_layers=1,
        num_denoising=0,
    )
    hf.RTDetrForObjectDetection(people).save_pretrained(folder / "people")
    hf.RTDetrImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder / "people")
    return folder


def test_depth_uses_the_whole_range(annotators, photo):
    drawn = annotate.depth(photo, annotators / "depth")
    assert drawn.size == photo.size
    assert drawn.getextrema() == ((0, 255),) * 3


def test_poses_are_drawn_where_people_are_and_refused_where_nobody_is(annotators, photo, monkeypatch):
    monkeypatch.setattr(annotate, "SURE", 2.0)
    with pytest.raises(RequestError) as told:
        annotate.pose(photo, annotators / "people", annotators / "joints")
    assert told.value.field == "controls"
    monkeypatch.setattr(annotate, "_people", lambda *_: np.array([[5.0, 5, 40, 50], [30, 5, 40, 50]]))
    monkeypatch.setattr(annotate, "SURE", -10.0)
    assert np.asarray(annotate.pose(photo, annotators / "people", annotators / "joints")).any()


def test_a_control_whose_window_holds_no_step_is_told(controlled, photo, square):
    control = Control("canny", start=0.5, end=0.55, picture=square)
    notes = controlled.prepare(GenerationRequest(photos=(photo,), steps=4, controls=(control,))).notes
    assert any(note.startswith("The control canny did nothing") for note in notes)
