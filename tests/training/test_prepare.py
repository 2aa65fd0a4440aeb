"""Photos to shards with the shipped face models: what is kept, what is left out and why, and going on."""

import json
import multiprocessing
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from commands.training import prepare_data
from errors import InstantIDError, OutOfMemory, RequestError
from training.miniature.dataset import draw
from training.photos import list_photos
from training.prepare import prepare
from training.shards import Shards
from training.sift import Limits
from weights.registry import ASSETS, PROFILES

PACK = ASSETS / "miniature" / "face"
LIMITS = Limits(min_side=96, min_face=32)
DET_SIZE = PROFILES["miniature"].det_size


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two named people, a blurred face, a far face, no face, a group, a broken file and a file of another kind."""
    folder, examples = tmp_path / "photos", ASSETS / "examples"
    for name in ("ada", "bo"):
        (folder / name).mkdir(parents=True)
    shutil.copy(examples / "person_1.jpg", folder / "ada" / "one.jpg")
    shutil.copy(examples / "person_1.jpg", folder / "ada" / "two.jpg")
    shutil.copy(examples / "person_2.jpg", folder / "bo" / "one.jpg")
    (folder / "ada" / "one.txt").write_text(" a woman\n in a garden ")
    (folder / "metadata.jsonl").write_text(json.dumps({"file_name": "bo/one.jpg", "text": "a man"}) + "\n")
    for name in ("group.jpg", "no_face.jpg"):
        shutil.copy(examples / name, folder / name)
    (folder / "broken.jpg").write_bytes((examples / "person_3.jpg").read_bytes()[:900])
    (folder / "notes.pdf").write_bytes(b"%PDF")
    picture = Image.open(examples / "person_4.jpg")
    picture.filter(ImageFilter.GaussianBlur(14)).save(folder / "blurred.jpg")
    far = Image.new("RGB", (800, 800), "white")
    far.paste(picture.resize((48, 48)), (300, 300))
    far.save(folder / "far.jpg")
    return folder


def reasons(out: Path) -> dict[str, str]:
    lines = [json.loads(line) for file in sorted(out.glob("rejected-*")) for line in file.read_bytes().splitlines()]
    return {line["photo"]: line["reason"] for line in lines}


def test_photos_are_sifted_and_every_one_is_accounted_for(photos, tmp_path):
    listed = list_photos(photos, people=True)
    seen = []
    report = prepare(
        listed, tmp_path / "out", PACK, det_size=DET_SIZE, limits=LIMITS, progress=lambda *now: seen.append(now)
    )
    left_out = reasons(tmp_path / "out")
    assert report.kept == 3 and report.named == 3 and report.without_caption == 1
    assert left_out.pop("broken.jpg").startswith("unreadable")
    assert left_out.pop("blurred.jpg") in ("blurred face", "no face")
    assert left_out.pop("far.jpg") in ("small face", "no face")
    assert left_out == {"group.jpg": "several people", "no_face.jpg": "no face"}
    assert report.kept + report.rejected.total() == len(listed) == seen[-1][0] == seen[-1][1]
    shards = Shards([tmp_path / "out"])
    assert [shards.caption(row) for row in range(3)] == ["a woman in a garden", "", "a man"]
    assert shards.others(0).tolist() == [1]
    keypoints = shards.keypoints(0)
    assert (keypoints > 0).all() and (keypoints < 512).all() and keypoints[0, 0] < keypoints[1, 0]


def test_names_links_and_kinds_that_cannot_be_read_are_listed(photos, tmp_path):
    odd = os.fsdecode(b"caf\xe9.jpg")
    shutil.copy(ASSETS / "examples" / "no_face.jpg", photos / "ada" / odd)
    (photos / "ada" / "gone.jpg").symlink_to(photos / "nowhere.jpg")
    (photos / "ada" / "new.avif").write_bytes(b"\0\0\0\x1cftypavif")
    (photos / "metadata.jsonl").write_bytes(
        b'{"file_name": "bo/one.jpg", "text": "un caf\xe9"}\n{"file_name": "ada/two.jpg", "text": null}'
    )
    listed = list_photos(photos, people=True)
    report = prepare(listed, tmp_path / "out", PACK, det_size=DET_SIZE, limits=LIMITS)
    assert report.kept + report.rejected.total() == len(listed) == 11
    left_out = reasons(tmp_path / "out")
    assert left_out[f"ada/{odd}"] == "no face"
    assert left_out["ada/gone.jpg"].startswith("unreadable") and left_out["ada/new.avif"].startswith("unreadable")
    shards = Shards([tmp_path / "out"])
    assert [shards.caption(row) for row in range(3)] == ["a woman in a garden", "", "un café"]


def test_a_folder_that_cannot_be_is_refused(photos, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(RequestError, match="cannot be written") as told:
        prepare(list_photos(photos), tmp_path / "out", PACK, det_size=DET_SIZE, limits=LIMITS)
    assert told.value.field == "out"


def test_photos_that_sdxl_would_see_enlarged_are_left_out(tmp_path):
    for side in (1015, 1016):
        picture = Image.effect_noise((side, side), 40).convert("RGB")
        (tmp_path / "photos").mkdir(exist_ok=True)
        picture.save(tmp_path / "photos" / f"{side}.jpg")
    prepare_data(tmp_path / "photos", tmp_path / "out", profile="sdxl", pack=PACK)
    assert reasons(tmp_path / "out") == {"1015.jpg": "small picture", "1016.jpg": "no face"}


def test_large_photos_are_shrunk_with_their_keypoints(photos, tmp_path):
    listed = list_photos(photos / "ada")[:1]
    sizes = {}
    for side in (512, 256):
        prepare(listed, tmp_path / str(side), PACK, det_size=DET_SIZE, limits=replace(LIMITS, max_side=side))
        shards = Shards([tmp_path / str(side)])
        sizes[side] = shards.keypoints(0) / shards.sizes[0]
        assert shards.sizes[0].tolist() == [side, side]
    assert np.abs(sizes[512] - sizes[256]).max() < 0.02


def test_a_stopped_preparation_goes_on_with_several_workers(photos, tmp_path):
    listed, out = list_photos(photos, people=True), tmp_path / "out"
    prepare(listed, tmp_path / "whole", PACK, det_size=DET_SIZE, limits=LIMITS, per_shard=3)
    prepare(listed, out, PACK, det_size=DET_SIZE, limits=LIMITS, per_shard=3)
    kept = (out / "shard-00000.tar").stat().st_mtime_ns
    (out / "shard-00002.jsonl").unlink()
    (out / "shard-00001.jsonl").unlink()
    (out / "shard-00001.tar.partial").write_bytes(b"half")
    seen = []
    report = prepare(
        listed,
        out,
        PACK,
        det_size=DET_SIZE,
        limits=LIMITS,
        per_shard=3,
        workers=2,
        progress=lambda *now: seen.append(now),
    )
    assert seen[0] == (3, len(listed)) and seen[-1] == (len(listed), len(listed))
    assert (out / "shard-00000.tar").stat().st_mtime_ns == kept
    assert report.kept == 3 and reasons(out) == reasons(tmp_path / "whole")
    for name in ("shard-00000", "shard-00001", "shard-00002"):
        assert (out / f"{name}.jsonl").read_text() == (tmp_path / "whole" / f"{name}.jsonl").read_text()


def test_changed_captions_and_photos_are_refused(photos, tmp_path):
    out, folder = tmp_path / "out", photos / "ada"

    def prepared():
        return prepare(list_photos(folder), out, PACK, det_size=DET_SIZE, limits=LIMITS)

    kept, caption = prepared(), (folder / "one.txt").read_text()
    (folder / "one.txt").write_text("a woman on the beach")
    with pytest.raises(RequestError, match=r"\(captions\)"):
        prepared()
    (folder / "one.txt").write_text(caption)
    shutil.copy(ASSETS / "examples" / "person_3.jpg", folder / "two.jpg")
    with pytest.raises(RequestError, match=r"\(files\)"):
        prepared()
    shutil.copy(folder / "one.jpg", folder / "two.jpg")
    assert prepared() == kept, "the same bytes are the same photo"


def test_faces_on_their_side_are_left_out(tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("person_3", "person_5"):
        for degrees in (0, 90, 270):
            picture = Image.open(ASSETS / "examples" / f"{name}.jpg").rotate(degrees, expand=True)
            picture.save(tmp_path / "photos" / f"{name}-{degrees}.png")
    prepare(list_photos(tmp_path / "photos"), tmp_path / "out", PACK, det_size=DET_SIZE, limits=LIMITS)
    turned = [f"{name}-{degrees}.png" for name in ("person_3", "person_5") for degrees in (90, 270)]
    assert reasons(tmp_path / "out") == dict.fromkeys(sorted(turned), "face lies on its side")


def test_what_drawings_have_no_use_for_is_refused(tmp_path):
    draw(2, 1, 0, tmp_path / "drawn", 64, processes=1)
    unheard = {
        "people": True, "workers": 1, "min_face": 40, "min_side": 64, "min_sharpness": 0.0, "max_side": 128,
        "profile": "sdxl", "faces_on": "cpu",
    }  # fmt: skip
    for name, value in unheard.items():
        with pytest.raises(RequestError, match="--" + name.replace("_", "-")) as told:
            prepare_data(tmp_path / "drawn", tmp_path / "out", drawn=True, **{name: value})
        assert told.value.field == name
    prepare_data(tmp_path / "drawn", tmp_path / "out", drawn=True, pack=PACK, per_shard=1, models_dir=tmp_path)
    assert len(list((tmp_path / "out").glob("*.tar"))) == 2


def test_a_folder_of_other_photos_or_settings_is_refused(photos, tmp_path):
    listed, out = list_photos(photos / "ada"), tmp_path / "out"
    prepare(listed, out, PACK, det_size=DET_SIZE, limits=LIMITS)
    with pytest.raises(RequestError, match="limits"):
        prepare(listed, out, PACK, det_size=DET_SIZE, limits=replace(LIMITS, min_face=40))
    other = tmp_path / "elsewhere" / PACK.name
    shutil.copytree(PACK, other)
    shutil.copy(PACK.parent / "face_other" / "rec.onnx", other / "rec.onnx")
    with pytest.raises(RequestError, match=r"\(pack\)"):
        prepare(listed, out, other, det_size=DET_SIZE, limits=LIMITS)
    with pytest.raises(RequestError, match="photos, names"):
        prepare(listed[:1], out, PACK, det_size=DET_SIZE, limits=LIMITS)


def test_photos_and_captions_that_cannot_be_listed_are_refused(tmp_path):
    with pytest.raises(RequestError, match="no folder"):
        list_photos(tmp_path / "nowhere")
    with pytest.raises(RequestError, match="no picture"):
        list_photos(tmp_path)
    (tmp_path / "pack").mkdir()
    shutil.copy(ASSETS / "examples" / "no_face.jpg", tmp_path)
    for workers in (1, 2):
        with pytest.raises(InstantIDError, match="pack"):
            prepare(list_photos(tmp_path) * 2, tmp_path / "out", tmp_path / "pack", per_shard=1, workers=workers)


def test_captions_that_cannot_be_used_are_counted_and_listed(tmp_path, capsys):
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    for name in ("one", "two", "three", "four"):
        shutil.copy(ASSETS / "examples" / "person_1.jpg", folder / f"{name}.jpg")
    (folder / "two.txt").write_text("una mujer, später", encoding="utf-16")
    (folder / "three.txt").write_bytes("a woman".encode("utf-16-le"))
    (folder / "four.txt").write_bytes("a woman".encode("utf-32"))
    bad = ["{", "[" * 100_000, "7", '["one.jpg", "x"]', "null", '{"text": "x"}', '{"file_name": 1}']
    bad += [f'{{"file_name": "one.jpg", "text": {words}}}' for words in ("1", "[]", "0", r'"\u0000"', r'"\ud800"')]
    good = ['{"file_name": "gone.jpg", "text": "x"}', '{"file_name": "one.jpg", "text": "a woman in a coat"}', ""]
    (folder / "metadata.jsonl").write_text("\n".join(bad + good))
    (folder / "more").mkdir()
    (folder / "more" / "metadata.jsonl").write_bytes(b"\0")
    prepare_data(folder, out, profile="miniature", per_shard=3)
    said = capsys.readouterr().out
    slips = [json.loads(line) for line in (out / "passed-over.jsonl").read_bytes().splitlines()]
    assert [slip["reason"] for slip in slips].count("no caption line") == len(bad)
    rest = {slip["reason"]: slip["where"] for slip in slips if slip["reason"] != "no caption line"}
    assert rest["caption of no picture here"] == f"{folder / 'metadata.jsonl'}:{len(bad) + 1}"
    assert [slip["where"] for slip in slips if slip["reason"] == "unreadable caption"] == [
        str(folder / "more" / "metadata.jsonl"), str(folder / "three.txt"),
    ]  # fmt: skip
    assert all(f"passed over: {reason}" in said for reason in ("no caption line", *rest))
    shards = Shards([out])
    captions = [shards.caption(row) for row in range(4)]
    assert captions == ["a woman", "a woman in a coat", "", "una mujer, später"]


def test_folders_behind_links_are_looked_into_once(tmp_path):
    folder, far = tmp_path / "photos", tmp_path / "far"
    for place in (folder / "bo", far / "deep"):
        place.mkdir(parents=True)
        shutil.copy(ASSETS / "examples" / "person_1.jpg", place / "one.jpg")
    (folder / "ada").symlink_to(far, target_is_directory=True)
    (folder / "also_bo").symlink_to(folder / "bo", target_is_directory=True)
    (far / "back").symlink_to(folder, target_is_directory=True)
    (far / "metadata.jsonl").write_text('{"file_name": "deep/one.jpg", "text": "a woman"}')
    listed = list_photos(folder, people=True)
    assert [(photo.name, photo.person, photo.caption) for photo in listed] == [
        ("ada/deep/one.jpg", "ada", "a woman"), ("bo/one.jpg", "bo", ""),
    ]  # fmt: skip


def test_pictures_of_too_many_pixels_count_together_and_without_a_warning(tmp_path):
    (tmp_path / "photos").mkdir()
    for number, size in enumerate([(12_000, 9000), (12_000, 9001), (10_000, 9000)]):
        Image.new("1", size).save(tmp_path / "photos" / f"{number}.png")
    limits = replace(LIMITS, min_side=20_000)
    report = prepare(list_photos(tmp_path / "photos"), tmp_path / "out", PACK, det_size=DET_SIZE, limits=limits)
    assert report.rejected == {"unreadable: The picture is too large.": 2, "small picture": 1}


def test_a_killed_worker_is_told_and_the_same_call_goes_on(photos, tmp_path):
    listed, out = list_photos(photos, people=True), tmp_path / "out"

    def kill(done: int, total: int) -> None:
        for worker in multiprocessing.active_children() if done else ():
            worker.kill()

    options = {"det_size": DET_SIZE, "limits": LIMITS, "per_shard": 1, "workers": 2}
    with pytest.raises(OutOfMemory, match="fewer --workers; it goes on") as told:
        prepare(listed, out, PACK, **options, progress=kill)
    assert told.value.field == "workers"
    assert prepare(listed, out, PACK, **(options | {"workers": 1})).kept == 3
