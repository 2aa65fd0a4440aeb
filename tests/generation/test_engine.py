"""The engine's laws: same wish, same picture, whoever else asked before, beside or in between."""

import copy
import threading

import numpy as np
import pytest
import torch

from errors import BrokenPicture, Cancelled, OutOfMemory, RequestError
from generation.request import GenerationRequest, GenerationResult, Progress
from template_adapter.template import Template


def run(engine, **wish):
    *progress, result = engine.generate(GenerationRequest(**wish))
    assert all(isinstance(event, Progress) for event in progress)
    return result


def pixels(result):
    return [np.asarray(made.image) for made in result.images]


def same(first, second):
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture(scope="module")
def wishes():
    """Requests that differ in all that could stick to a pipeline; those of every feature are interleaved elsewhere."""
    return [
        {"prompt": "a knight", "seed": 1, "scheduler": "DPM++ 2M Karras", "adapter_scale": 0.2, "style": "Mars"},
        {"prompt": "a cook", "seed": 1, "scheduler": "Euler a", "identity_net_scale": 0.0, "face_region": False},
        {"prompt": "a cook", "seed": 1, "scheduler": "DDIM", "guidance": 1.0, "width": 80, "view": "tilt_left"},
        {"prompt": "", "seed": 9, "scheduler": "LCM", "identity_end": 0.5, "count": 2, "adapter_scale": 0.0},
    ]


@pytest.fixture(scope="module")
def alone(engine, wishes, photo):
    return [pixels(run(engine, photos=(photo,), **wish)) for wish in wishes]


def test_every_picture_of_a_batch_is_the_solo_run_of_its_seed(engine, photo):
    batch = run(engine, photos=(photo,), seed=2**32 - 1, count=3, scheduler="Euler a")
    assert [made.seed for made in batch.images] == [2**32 - 1, 0, 1]
    for made in batch.images:
        solo = run(engine, photos=(photo,), seed=made.seed, scheduler="Euler a")
        assert same(pixels(solo), [np.asarray(made.image)])


def test_two_at_once_a_cancelled_one_and_a_third_equal_their_solo_runs(engine, wishes, alone, photo):
    results, problems, at_work = {}, {}, []
    cancel = threading.Event()

    def ask(name, wish, stop=None):
        try:
            for event in engine.generate(GenerationRequest(photos=(photo,), **wish), stop):
                if isinstance(event, GenerationResult):
                    results[name] = pixels(event)
                elif event.phase == "denoising" and stop is not None:
                    stop.set()
        except Cancelled as error:
            problems[name] = error

    threads = [
        threading.Thread(target=ask, args=(0, wishes[0])),
        threading.Thread(target=ask, args=("cancelled", {**wishes[1], "steps": 60}, cancel)),
        threading.Thread(target=ask, args=(2, wishes[2])),
        threading.Thread(target=ask, args=(3, wishes[3])),
    ]
    hook = engine._pipeline.unet.register_forward_pre_hook(lambda *_: at_work.append(threading.current_thread()))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    hook.remove()
    assert set(problems) == {"cancelled"}
    assert set(results) == {0, 2, 3}
    assert all(same(results[number], alone[number]) for number in results)
    runs = [worker for number, worker in enumerate(at_work) if number == 0 or at_work[number - 1] is not worker]
    assert len(runs) == len(set(runs)) == 4, "two requests were in the pipeline at the same time"
    assert engine.waiting == 0


def test_reading_prompts_beside_a_run_changes_nothing_in_it(engine, photo):
    long = GenerationRequest(photos=(photo,), prompt="a cook in red " * 200, seed=1)
    ended = threading.Event()
    problems = []

    def prepare_again_and_again():
        while not ended.is_set():
            try:
                assert any("Without effect" in note for note in engine.prepare(long).notes)
            except BaseException as error:
                problems.append(error)
                return

    def encoded(words):
        return [part for part in engine._pipeline.encode_prompt(words) if part is not None]

    prompts = ["a cook", "a knight in the snow " * 20]
    with torch.no_grad():
        alone = [encoded(words) for words in prompts]
        threads = [threading.Thread(target=prepare_again_and_again) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for number in range(60):
                beside = encoded(prompts[number % 2])
                assert all(torch.equal(a, b) for a, b in zip(beside, alone[number % 2], strict=True))
        finally:
            ended.set()
            for thread in threads:
                thread.join(60)
    assert not problems


def test_notes_of_an_earlier_look_at_the_request_are_kept_once(engine, tiny_profile, photo):
    request = GenerationRequest(photos=(photo,), seed=1, width=71, prompt="a\0cook")
    settled = request.resolved(tiny_profile)
    assert len(settled.notes) == 2
    notes = engine.prepare(settled).notes
    assert notes[:2] == settled.notes
    assert len(set(notes)) == len(notes)
    assert engine.prepare(request).notes == notes


def test_a_pose_face_that_is_not_there_names_its_field(engine, photo):
    with pytest.raises(RequestError) as told:
        engine.prepare(GenerationRequest(photos=(photo,), pose=photo, pose_face=3))
    assert told.value.field == "pose_face"


@pytest.fixture
def unet_calls(engine):
    calls = []
    hook = engine._pipeline.unet.register_forward_pre_hook(lambda *_: calls.append(1))
    yield calls
    hook.remove()


def test_cancel_stops_within_one_step(engine, photo, unet_calls):
    cancel = threading.Event()
    request = GenerationRequest(photos=(photo,), steps=100, seed=3)
    at_cancel = None
    with pytest.raises(Cancelled):
        for event in engine.generate(request, cancel):
            if event.phase == "denoising" and event.step >= 3 and at_cancel is None:
                cancel.set()
                at_cancel = len(unet_calls)
    assert at_cancel is not None
    assert len(unet_calls) <= at_cancel + 1


def test_closing_the_iterator_stops_within_one_step(engine, photo, unet_calls):
    begun, closing, after = threading.Event(), threading.Event(), []

    def hold(*_):
        if len(unet_calls) == 3:
            begun.set()
            closing.wait(60)
        if closing.is_set():
            after.append(len(unet_calls))

    hook = engine._pipeline.unet.register_forward_pre_hook(hold)
    events = engine.generate(GenerationRequest(photos=(photo,), steps=100, seed=3))
    next(events)
    assert next(events).phase == "denoising"
    assert begun.wait(60)
    closer = threading.Timer(0.2, closing.set)
    closer.start()
    events.close()
    closer.join()
    hook.remove()
    assert after == [3], "only the step under way is finished"
    assert engine.waiting == 0


def test_cancelled_while_waiting_never_runs(engine, photo, unet_calls):
    first = engine.generate(GenerationRequest(photos=(photo,), steps=150, seed=1))
    while next(first).phase != "denoising":
        pass
    cancel = threading.Event()
    second = engine.generate(GenerationRequest(photos=(photo,), steps=2, seed=1), cancel)
    assert next(second).phase == "reading"
    waiting = next(second)
    assert (waiting.phase, waiting.step) == ("waiting", 1)
    cancel.set()
    with pytest.raises(Cancelled):
        list(second)
    first.close()
    assert len(unet_calls) < 150


def test_progress_counts_every_step_and_shows_previews(engine, photo):
    *progress, result = engine.generate(GenerationRequest(photos=(photo,), seed=1, steps=4, count=2))
    steps = [event for event in progress if event.phase == "denoising"]
    assert [event.step for event in steps] == list(range(1, 9))
    assert {event.total for event in steps} == {8}
    assert steps[-1].seconds_left == 0
    shown = [event.previews for event in progress if event.previews]
    assert shown
    assert np.array_equal(np.asarray(shown[-1][0]), np.asarray(result.images[0].image))


def test_the_result_says_how_it_was_made(engine, photo):
    result = run(engine, photos=(photo,), prompt="a cook", seed=4)
    assert result.profile == "tiny"
    assert result.settings["profile"] == "tiny"
    assert result.settings["seed"] == 4
    assert result.settings["steps"] == 3
    assert result.landmarks.size == (64, 64)
    assert len(result.references) == 1
    assert -1 <= result.images[0].identity <= 1
    assert result.images[0].keypoint_error < 1e-3
    assert result.seconds > 0


def test_no_face_in_the_picture_is_not_measurable(engine, photo, monkeypatch):
    prepared = engine.prepare(GenerationRequest(photos=(photo,), seed=4))
    monkeypatch.setattr(engine.analyzer, "blind", True)
    *_, result = engine.generate(prepared)
    assert result.images[0].identity is None
    assert result.images[0].keypoint_error is None


def test_a_failure_in_the_middle_leaves_the_pipeline_clean(engine, wishes, alone, photo):
    def fail(module, arguments):
        raise ValueError("a fault of the network")

    hook = engine._pipeline.unet.register_forward_pre_hook(fail)
    with pytest.raises(ValueError, match="a fault of the network"):
        run(engine, photos=(photo,), seed=1, scheduler="Heun", adapter_scale=1.7)
    hook.remove()
    assert same(pixels(run(engine, photos=(photo,), **wishes[0])), alone[0])
    assert type(engine._pipeline.scheduler).__name__ == "DDIMScheduler"


def test_out_of_memory_in_the_network_is_told_and_the_next_request_works(engine, wishes, alone, photo):
    def exhausted(module, arguments):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    hook = engine._pipeline.unet.register_forward_pre_hook(exhausted)
    with pytest.raises(OutOfMemory) as told:
        run(engine, photos=(photo,), seed=1)
    hook.remove()
    assert told.value.cure
    assert told.value.__context__ is None, "the frames of the failure would keep its tensors alive"
    assert same(pixels(run(engine, photos=(photo,), **wishes[0])), alone[0])


def test_out_of_memory_in_the_decoder_is_retried_in_tiles(engine, photo, monkeypatch):
    vae = engine._pipeline.vae
    decode, tried = vae.decode, []

    def short_of_memory(*arguments, **options):
        tried.append(vae.use_tiling)
        if not vae.use_tiling:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return decode(*arguments, **options)

    before = run(engine, photos=(photo,), seed=1)
    monkeypatch.setattr(vae, "decode", short_of_memory)
    monkeypatch.setattr("generation.preview.SHARE", -1.0)
    after = run(engine, photos=(photo,), seed=1)
    assert tried == [False, True]
    assert vae.use_tiling is False
    assert same(pixels(before), pixels(after))


def test_a_picture_that_is_not_a_number_is_never_served(engine, wishes, alone, photo):
    def poison(module, arguments, output):
        return (output[0] * float("nan"),)

    hook = engine._pipeline.unet.register_forward_hook(poison)
    with pytest.raises(BrokenPicture):
        run(engine, photos=(photo,), seed=1)
    hook.remove()
    assert same(pixels(run(engine, photos=(photo,), **wishes[0])), alone[0])


def test_a_decoder_that_overflows_is_retried_at_full_precision(engine, photo, monkeypatch):
    vae = copy.deepcopy(engine._pipeline.vae).to(torch.bfloat16)

    def overflow(module, arguments, output):
        return output if vae.dtype == torch.float32 else output * float("inf")

    expected = run(engine, photos=(photo,), seed=1)
    monkeypatch.setattr(engine._pipeline, "vae", vae)
    vae.decoder.register_forward_hook(overflow)
    made = run(engine, photos=(photo,), seed=1)
    assert vae.dtype == torch.bfloat16
    difference = np.abs(np.int16(pixels(made)[0]) - np.int16(pixels(expected)[0]))
    assert difference.max() < 16


def test_refused_before_anything_runs(engine, photo, unet_calls):
    with pytest.raises(RequestError) as told:
        run(engine, photos=(photo,), steps=0)
    assert told.value.field == "steps"
    assert not unet_calls


def test_a_template_alone_is_the_photo_it_was_read_from(engine, photo):
    face = engine.analyzer.find(photo)[0]
    points = tuple((float(x), float(y)) for x, y in face.keypoints * 0.8)
    wish = {"prompt": "a cook", "seed": 4, "keypoints": points}
    by_photo = run(engine, photos=(photo,), **wish)
    by_template = run(engine, template=Template(face.embedding, "buffalo_l"), **wish)
    assert same(pixels(by_photo), pixels(by_template))
    assert by_template.references == ()
    assert by_template.settings["template"] == {"recogniser": "buffalo_l", "adapter": None}
    assert by_photo.settings["template"] is None
    front = run(engine, template=Template(face.embedding), seed=4)
    assert front.settings["view"] == "front" and front.images[0].identity is not None
