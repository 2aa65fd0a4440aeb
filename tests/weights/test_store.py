import os
import socket
import time
from pathlib import Path

import pytest
from huggingface_hub.constants import DOWNLOAD_CHUNK_SIZE

from errors import WeightsCorrupt, WeightsError, WeightsMissing
from weights import lock
from weights.hashing import sha256_of
from weights.published import File, Part, Weight
from weights.store import Store

CHUNK = DOWNLOAD_CHUNK_SIZE
MODEL = "unet/model.safetensors"
SLACK = 2
"""Seconds that a busy machine may add."""
FILES = (File("config.json"), File(MODEL), File("adapter.bin"), File("extra.json", required=False))


def weight(*files: File, name: str = "tiny") -> Weight:
    return Weight(name, "someone/weights", None, files or FILES, "MIT", "", "for tests")


@pytest.fixture
def store(tmp_path: Path, hub) -> Store:
    return Store(tmp_path / "models", offline=False, endpoint=hub.endpoint)


def again(store: Store, **changes) -> Store:
    """The same models directory in a new process."""
    return Store(store.models_dir, **{"offline": True, **changes})


def flip_a_byte(path: Path) -> None:
    """Damages a file and leaves its size and times as they were."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_what_is_fetched_is_there_verified_and_recorded(store: Store, hub) -> None:
    seen = []
    root = store.fetch(weight(), lambda name, done, total: seen.append((name, done, total)))
    assert root == store.models_dir / "tiny"
    assert {name: (root / name).read_bytes() for name in hub.files} == hub.files
    assert seen[-1][1] == seen[-1][2]
    assert (MODEL, len(hub.files[MODEL]), len(hub.files[MODEL])) in seen
    records = lock.read(store.models_dir)["tiny"]
    assert {name: record.sha256 for name, record in records.items()} == {
        name: sha256_of(root / name) for name in hub.files
    }
    assert {record.source for record in records.values()} == {"hub"}
    assert all(record.commit.startswith("c0ffee") for record in records.values())
    assert not list(store.models_dir.rglob("*.part"))
    assert store.path(Part(weight(), "unet")) == root / "unet"


def test_nothing_is_asked_when_all_is_there(store: Store, hub) -> None:
    store.fetch(weight())
    asked = len(hub.log)
    Store(store.models_dir, offline=False, endpoint=hub.endpoint).fetch(weight())
    assert len(hub.log) == asked


def test_a_broken_transfer_is_continued(store: Store, hub) -> None:
    hub.files["big.bin"] = os.urandom(3 * CHUNK)
    hub.cut_after = 2 * CHUNK + 5
    root = store.fetch(weight(File("big.bin")))
    assert (root / "big.bin").read_bytes() == hub.files["big.bin"]
    assert f"bytes={2 * CHUNK}-" in [asked for _, _, asked in hub.log]
    assert hub.served == 3 * CHUNK + 5


@pytest.mark.parametrize("name", ["config.json", "adapter.bin"])
def test_a_file_with_another_hash_than_announced_is_refused(store: Store, hub, name: str) -> None:
    lie = "0" * len(hub.digest(name))
    hub.announce[name] = lie
    with pytest.raises(WeightsCorrupt) as told:
        store.fetch(weight())
    assert lie in told.value.message and hub.digest(name) in told.value.message and name in told.value.message
    assert not (store.models_dir / "tiny" / name).exists()
    assert not list(store.models_dir.rglob(f"{lie}.part"))


def test_a_hub_that_offers_other_bytes_than_pinned_sends_none(store: Store, hub) -> None:
    with pytest.raises(WeightsCorrupt, match=r"expected 1{64}"):
        store.fetch(weight(File("adapter.bin", sha256="1" * 64)))
    assert [method for method, _, _ in hub.log] == ["HEAD"]


def test_a_pin_holds_for_small_files_too(store: Store, hub) -> None:
    with pytest.raises(WeightsCorrupt, match=r"expected 1{64}"):
        store.fetch(weight(File("config.json", sha256="1" * 64)))
    assert not list(store.models_dir.rglob("config.json")) + list(store.models_dir.rglob("*.part"))


def test_an_optional_file_may_be_absent_a_required_one_not(store: Store) -> None:
    store.fetch(weight())
    with pytest.raises(WeightsMissing, match=r"elsewhere\.bin"):
        store.fetch(weight(File("elsewhere.bin"), name="other"))


def test_one_flipped_byte_stops_the_next_start(store: Store) -> None:
    root = store.fetch(weight())
    before = sha256_of(root / MODEL)
    flip_a_byte(root / MODEL)
    later = again(store)
    assert later.status(weight()).verified == "unchanged", "size and time alone cannot see it"
    with pytest.raises(WeightsCorrupt) as told:
        later.path(weight())
    assert str(root / MODEL) in told.value.message
    assert before in told.value.message and sha256_of(root / MODEL) in told.value.message
    deep = later.status(weight(), deep=True)
    assert deep.corrupt and deep.problem and MODEL in deep.problem


def test_a_damaged_file_is_fetched_anew_and_only_that(store: Store, hub) -> None:
    root = store.fetch(weight())
    flip_a_byte(root / "adapter.bin")
    hub.log.clear()
    again(store, offline=False, endpoint=hub.endpoint).fetch(weight())
    assert (root / "adapter.bin").read_bytes() == hub.files["adapter.bin"]
    assert not [path for method, path, _ in hub.log if method == "GET" and "adapter" not in path]


def test_a_file_that_was_cut_off_is_told_by_its_size(store: Store, hub) -> None:
    sized = weight(File(MODEL, size=len(hub.files[MODEL])))
    root = store.fetch(sized)
    (root / MODEL).write_bytes(b"short")
    with pytest.raises(WeightsCorrupt, match="has 5 bytes, expected 2097152"):
        again(store).path(sized)
    assert again(store).status(sized).corrupt


def test_a_touched_file_is_hashed_again_and_passes(store: Store) -> None:
    root = store.fetch(weight())
    os.utime(root / MODEL, ns=(1, 1))
    assert again(store).status(weight()).verified == "never"
    again(store).path(weight())
    assert again(store).status(weight()).verified == "unchanged"


def test_files_laid_by_hand_are_accepted_once_and_held_to(tmp_path: Path) -> None:
    home = tmp_path / "models" / "tiny"
    home.mkdir(parents=True)
    (home / "adapter.bin").write_bytes(b"my own")
    own = weight(File("adapter.bin"))
    assert Store(tmp_path / "models", offline=True).status(own).verified == "never"
    assert Store(tmp_path / "models", offline=True).path(own) == home
    assert lock.read(tmp_path / "models")["tiny"]["adapter.bin"].source == "hand"
    (home / "adapter.bin").write_bytes(b"not it")
    with pytest.raises(WeightsCorrupt, match="on purpose"):
        Store(tmp_path / "models", offline=True).path(own)


def test_a_pinned_file_laid_by_hand_must_be_that_file(tmp_path: Path) -> None:
    home = tmp_path / "models" / "tiny"
    home.mkdir(parents=True)
    (home / "adapter.bin").write_bytes(b"something else")
    with pytest.raises(WeightsCorrupt, match=r"expected 1{64}"):
        Store(tmp_path / "models", offline=True).path(weight(File("adapter.bin", sha256="1" * 64)))


def test_a_nested_face_pack_counts(tmp_path: Path) -> None:
    nested = tmp_path / "models" / "pack" / "pack"
    nested.mkdir(parents=True)
    (nested / "det.onnx").write_bytes(b"onnx")
    assert Store(tmp_path / "models", offline=True).path(weight(File("det.onnx"), name="pack")) == nested


def test_the_hubs_own_cache_is_used_and_verified(tmp_path: Path, hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    repo = tmp_path / "hub" / "models--someone--weights"
    snapshot = repo / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("abc")
    (repo / "blobs").mkdir()
    for name in ("config.json", "adapter.bin"):
        (repo / "blobs" / hub.digest(name)).write_bytes(hub.files[name])
        (snapshot / name).symlink_to(Path("../../blobs") / hub.digest(name))
    cached = weight(File("config.json"), File("adapter.bin"))
    assert Store(tmp_path / "models", offline=True).path(cached) == snapshot
    assert {record.source for record in lock.read(tmp_path / "models")["tiny"].values()} == {"hub"}
    flip_a_byte(snapshot / "adapter.bin")
    with pytest.raises(WeightsCorrupt, match=hub.digest("adapter.bin")):
        Store(tmp_path / "models", offline=True).path(cached)
    mended = Store(tmp_path / "models", offline=False, endpoint=hub.endpoint).fetch(cached)
    assert mended == tmp_path / "models" / "tiny"
    assert (mended / "adapter.bin").read_bytes() == hub.files["adapter.bin"]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_offline_with_everything_there_opens_no_connection(store: Store, request: pytest.FixtureRequest) -> None:
    store.fetch(weight())
    request.getfixturevalue("no_network")
    again(store).fetch(weight())
    Store(store.models_dir, offline=False).path(weight())


@pytest.mark.usefixtures("no_network")
def test_offline_with_a_file_missing_says_so_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    begin = time.monotonic()
    with pytest.raises(WeightsMissing) as told:
        Store(tmp_path / "models").fetch(weight())
    assert time.monotonic() - begin < 1
    assert "tiny" in told.value.message and str(told.value.field) in told.value.message
    assert told.value.cure and "HF_HUB_OFFLINE" in told.value.cure and str(tmp_path / "models") in told.value.cure


def test_a_hub_that_refuses_connections_is_told_within_five_seconds(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
        begin = time.monotonic()
        with pytest.raises(WeightsMissing, match="cannot be reached") as told:
            Store(tmp_path / "models", offline=False, endpoint=closed).fetch(weight())
    assert time.monotonic() - begin < 5 + SLACK
    assert told.value.cure and "HF_ENDPOINT" in told.value.cure


def test_a_hub_that_never_answers_is_told_within_five_seconds(tmp_path: Path) -> None:
    many = weight(*(File(f"{number}.bin") for number in range(20)))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = Store(tmp_path, offline=False, endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}")
        begin = time.monotonic()
        with pytest.raises(WeightsMissing, match="cannot be reached"):
            store.fetch(many)
    assert time.monotonic() - begin < 5 + SLACK


@pytest.mark.parametrize(("status", "words"), [(503, "answered 503"), (401, "no such public repository")])
def test_what_the_hub_refuses_is_told(store: Store, hub, status: int, words: str) -> None:
    hub.status = status
    with pytest.raises(WeightsMissing, match=words):
        store.fetch(weight())


def test_a_disk_without_room_is_told_before_anything_is_fetched(store: Store, hub) -> None:
    hub.announce_size[MODEL] = 10**18
    with pytest.raises(WeightsError, match=r"needs 1000000000\.0 GB more .* GB are free"):
        store.fetch(weight())
    assert not [path for method, path, _ in hub.log if method == "GET"]


def test_a_server_without_hashes_is_refused(store: Store, hub) -> None:
    hub.announce["adapter.bin"] = "yesterday"
    with pytest.raises(WeightsError, match="announces no hash"):
        store.fetch(weight())


def test_a_lock_file_nobody_can_read_is_told(store: Store) -> None:
    store.fetch(weight())
    (store.models_dir / lock.NAME).write_text("{")
    with pytest.raises(WeightsError, match=r"weights\.lock\.json cannot be read") as told:
        again(store).path(weight())
    assert told.value.cure and "Delete it" in told.value.cure
