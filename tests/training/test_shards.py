"""Shards: readable by anybody's webdataset, and by place."""

import json

import numpy as np
import pytest
import webdataset
from PIL import Image

from errors import RequestError
from training.miniature.dataset import load
from training.shards import Sample, Shards, write_shard


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


def test_a_shard_without_its_list_is_written_again(tmp_path):
    write_shard(tmp_path / "shard-00000.tar", [sample("a"), sample("bb")])
    (tmp_path / "shard-00000.jsonl").unlink()
    write_shard(tmp_path / "shard-00000.tar", [sample("ccc")])
    lines = (tmp_path / "shard-00000.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["ccc"]
    assert Shards([tmp_path]).caption(0) == "a portrait"
