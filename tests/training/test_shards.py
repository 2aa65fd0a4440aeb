"""Shards: readable by anybody's webdataset, and by place."""

import json

import numpy as np
import pytest
import webdataset
from PIL import Image

from errors import RequestError
from tests.training.drawn_world import SIDE
from training.drawn import write_drawn
from training.miniature.dataset import draw, load
from training.shards import Sample, Shards, write_shard
from weights.registry import ASSETS


def sample(key="a", person=None, caption="a portrait", size=(80, 64)) -> Sample:
    random = np.random.default_rng(len(key))
    picture = Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), np.uint8))
    return Sample(
        key, picture, random.normal(size=512).astype(np.float32), np.full((5, 2), 7.5, np.float32), caption, person
    )


def test_what_is_written_is_read_back_by_place(tmp_path):
    samples = [sample("a", "ada"), sample("bb", "bo", "zwölf", (64, 80)), sample("ccc", "ada", ""), sample("dddd")]
    assert write_shard(tmp_path / "shard-00000.tar", samples[:2], lossless=True) == 2
    assert write_shard(tmp_path / "shard-00001.tar", samples[2:], lossless=True) == 2
    shards = Shards([tmp_path])
    for row, wanted in enumerate(samples):
        assert np.array_equal(np.asarray(shards.picture(row)), np.asarray(wanted.picture))
        assert np.array_equal(shards.embedding(row), wanted.embedding)
        assert np.array_equal(shards.keypoints(row), wanted.keypoints)
        assert shards.caption(row) == wanted.caption
    assert shards.sizes.tolist() == [[80, 64], [64, 80], [80, 64], [80, 64]]
    assert shards.others(0).tolist() == [2] and shards.others(1).tolist() == [] and shards.others(3).tolist() == []


def test_people_of_two_folders_are_one(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write_shard(tmp_path / name / "shard-00000.tar", [sample("a", "ada")])
    shards = Shards([tmp_path / "first", tmp_path / "second"])
    assert shards.others(0).tolist() == [1]


@pytest.mark.filterwarnings("ignore:.*unclosed file.*shard-:ResourceWarning")  # webdataset's reader leaves them open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_webdataset_streams_the_drawn_shards(shards):
    urls = [str(path) for path in sorted(shards.glob("*.tar"))]
    found = list(webdataset.WebDataset(urls, shardshuffle=False).decode("pil"))
    drawings = load(shards.parent / "drawings")
    assert len(found) == len(drawings) == 12
    for row, each in enumerate(found):
        assert np.array_equal(np.asarray(each["png"]), drawings.images[row])
        assert np.array_equal(each["keypoints.npy"], drawings.keypoints[row])
        assert each["embedding.npy"].shape == (512,) and 5 < np.linalg.norm(each["embedding.npy"]) < 60
        assert each["json"]["person"] == str(drawings.people[row])
        assert each["txt"] in drawings.records[row]["plain_captions"]


def test_unfinished_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(RequestError, match="no finished shards"):
        Shards([tmp_path])
    write_shard(tmp_path / "shard-00000.tar", [])
    assert not (tmp_path / "shard-00000.tar").exists()
    with pytest.raises(RequestError, match="no photo"):
        Shards([tmp_path])
    (tmp_path / "shard-00001.tar.partial").write_bytes(b"")
    with pytest.raises(RequestError, match="no finished shards"):
        Shards([tmp_path])


@pytest.mark.parametrize("harm", ["no tar", "cut tar", "cut list", "odd list"])
def test_a_damaged_shard_is_named_when_it_is_opened(tmp_path, harm):
    write_shard(tmp_path / "shard-00000.tar", [sample("a"), sample("bb")])
    tar, listed = tmp_path / "shard-00000.tar", tmp_path / "shard-00000.jsonl"
    if harm == "no tar":
        tar.unlink()
    elif harm == "cut tar":
        tar.write_bytes(tar.read_bytes()[:3000])
    elif harm == "cut list":
        listed.write_text(listed.read_text()[:-30])
    else:
        listed.write_text(listed.read_text().replace("jpg", "gif"))
    with pytest.raises(RequestError, match=r"shard-00000\.tar .* damaged"):
        Shards([tmp_path])


def test_damage_inside_a_shard_is_named_when_it_is_read(tmp_path):
    write_shard(tmp_path / "shard-00000.tar", [sample("a")])
    tar = tmp_path / "shard-00000.tar"
    tar.write_bytes(b"\xff" * tar.stat().st_size)
    shards = Shards([tmp_path])
    for read in (shards.picture, shards.embedding, shards.keypoints):
        with pytest.raises(RequestError, match="damaged"):
            read(0)


def test_drawings_are_not_put_among_others(shards, tmp_path):
    drawings = load(shards.parent / "drawings")
    assert write_drawn(drawings, tmp_path / "out", per_shard=6) == 12
    before = sorted((path.name, path.stat().st_mtime_ns) for path in (tmp_path / "out").glob("shard-*"))
    assert write_drawn(drawings, tmp_path / "out", per_shard=6) == 12
    assert before == sorted((path.name, path.stat().st_mtime_ns) for path in (tmp_path / "out").glob("shard-*"))
    other = draw(4, 3, 1, tmp_path / "drawings", SIDE, processes=1, face_size=(0.6, 0.75))
    with pytest.raises(RequestError, match=r"otherwise \(drawings\)"):
        write_drawn(other, tmp_path / "out", per_shard=6)
    with pytest.raises(RequestError, match=r"otherwise \(pack\)"):
        write_drawn(drawings, tmp_path / "out", pack=ASSETS / "miniature" / "face_other", per_shard=6)


def test_a_shard_without_its_list_is_written_again(tmp_path):
    write_shard(tmp_path / "shard-00000.tar", [sample("a"), sample("bb")])
    (tmp_path / "shard-00000.jsonl").unlink()
    write_shard(tmp_path / "shard-00000.tar", [sample("ccc")])
    lines = (tmp_path / "shard-00000.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["ccc"]
    assert Shards([tmp_path]).caption(0) == "a portrait"
