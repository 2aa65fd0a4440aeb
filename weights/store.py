"""Weights on this machine: found, verified, downloaded.

A weight lies in `<models directory>/<name>/`, put there by `fetch` or by hand, or in the hub's own cache. Each file is
hashed at its first use in a process (0.5 to 1.7 GB/s a core, several files at a time) and held against, in this order,
the pinned hash, the hash the hub announced, the hash recorded in the lock file. A file known to none of them was laid
there by hand: it is accepted, recorded, and held to that from then on.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from errors import WeightsCorrupt, WeightsError, WeightsMissing
from weights import bundle, hub, lock, places
from weights.hashing import SHA256, announced_hash_of, sha256_of
from weights.intact import accept, check_size, command_for, stamp
from weights.published import File, Part, Weight

_log = logging.getLogger(__name__)
_MARGIN = 64 * 1024**2
"""Bytes that must stay free on the disk after a download."""
_HASHERS = min(4, os.cpu_count() or 1)

Progress = Callable[[str, int, int | None], None]
"""Called with (file path, bytes there, bytes in all or None) while a file arrives."""


@dataclass(frozen=True)
class Status:
    """What is known of a weight without a download.

    Args:
        present: every required file is there and none was found wrong.
        bytes: on this machine.
        problem: the first thing that is wrong, in plain words; None when present.
        corrupt: something is there that must not be used.
        verified: how far the check went: "hashed", "unchanged" (size and time as when last hashed), "never" or "".
        where: the folder it lies in, or would lie in.
    """

    present: bool
    bytes: int
    problem: str | None
    corrupt: bool
    verified: str
    where: Path


class Store:
    """All weights of one models directory.

    Args:
        models_dir: None for `places.default_models_dir()`.
        offline: True never opens a connection; None follows HF_HUB_OFFLINE.
        endpoint: address of the hub; None follows HF_ENDPOINT.
    """

    def __init__(
        self, models_dir: Path | str | None = None, offline: bool | None = None, endpoint: str | None = None
    ) -> None:
        self.models_dir = Path(models_dir).expanduser().absolute() if models_dir else places.default_models_dir()
        self.offline = places.hub_is_switched_off() if offline is None else offline
        self._endpoint = endpoint
        self._seen: dict[Path, tuple[int, int]] = {}

    def path(self, wanted: Weight | Part, *, alone: bool = False) -> Path:
        """Folder (or the part's file or folder) of a weight whose every byte has been verified. Opens no connection.

        alone: of weights that came with the code, verify the part's own files only.

        Raises:
            WeightsMissing: a file is not there; names it and the command that brings it.
            WeightsCorrupt: a file is not what it should be; names it, the expected and the actual hash.
        """
        weight, inside = (wanted.weight, wanted.path) if isinstance(wanted, Part) else (wanted, "")
        if weight.folder is not None:
            if alone:
                bundle.check(weight.folder, inside)
            else:
                self._verify_shipped(weight.folder)
            return weight.folder / inside
        root = places.find(weight, self.models_dir)
        for file in places.missing(weight, root):
            raise self._not_here(weight, file)
        for error in self._examine(weight, root).values():
            raise error
        return root / inside

    def fetch(self, weight: Weight, progress: Progress | None = None) -> Path:
        """Downloads what is missing or damaged, verifies all of it and returns the folder.

        What an earlier attempt left behind is continued. Nothing is asked of the hub when all is there.

        Raises:
            WeightsMissing: the hub cannot be reached or does not have a file, or downloads are switched off.
            WeightsCorrupt: what arrived is not what the hub announced or what is pinned.
            WeightsError: there is no room.
        """
        if weight.folder is None and (wanted := self._wanted(weight)):
            if self.offline:
                raise self._not_here(weight, wanted[0])
            with self._one_at_a_time(weight) as parts:
                self._download(weight, self._wanted(weight), parts, progress or (lambda *_: None))
        return self.path(weight)

    def status(self, weight: Weight, deep: bool = False) -> Status:
        """What is there. Quick: presence, sizes and times; deep: every file is hashed."""
        root = weight.folder or places.find(weight, self.models_dir)
        there = [file for file in weight.files if (root / file.path).is_file()]
        try:
            if weight.folder is not None:
                bundle.check(root)
                return Status(True, _bytes_in(root), None, False, "hashed", root)
            missing = places.missing(weight, root)
            verified = self._verified(weight, root, there, deep)
        except WeightsError as error:
            corrupt = not isinstance(error, WeightsMissing)
            return Status(False, _bytes_in(root), error.message, corrupt, "", root)
        problem = f"{missing[0].path} is missing" if missing else None
        return Status(not missing, _bytes_in(root), problem, False, verified, root)

    def _verified(self, weight: Weight, root: Path, there: list[File], deep: bool) -> str:
        for file in there:
            check_size(weight, file, root / file.path)
        if deep:
            for error in self._examine(weight, root).values():
                raise error
            return "hashed" if there else ""
        known = lock.read(self.models_dir).get(weight.name, {})
        records = [(known.get(file.path), stamp(root / file.path)) for file in there]
        unchanged = all(record is not None and (record.size, record.mtime_ns) == now for record, now in records)
        return "" if not there else "unchanged" if unchanged else "never"

    def _examine(self, weight: Weight, root: Path) -> dict[File, WeightsCorrupt]:
        """Hashes the files this process has not hashed yet; records the good ones and returns what is wrong."""
        known = lock.read(self.models_dir).get(weight.name, {})
        there = [file for file in weight.files if (root / file.path).is_file()]
        fresh = [file for file in there if self._seen.get(root / file.path) != stamp(root / file.path)]

        def judge(file: File) -> lock.Record | WeightsCorrupt:
            try:
                return accept(weight, file, root / file.path, known.get(file.path))
            except WeightsCorrupt as error:
                return error

        with ThreadPoolExecutor(_HASHERS) as pool:
            verdicts = dict(zip(fresh, pool.map(judge, fresh), strict=True))
        good = {file: verdict for file, verdict in verdicts.items() if isinstance(verdict, lock.Record)}
        self._remember(weight, root, good)
        return {file: verdict for file, verdict in verdicts.items() if isinstance(verdict, WeightsCorrupt)}

    def _remember(self, weight: Weight, root: Path, made: dict[File, lock.Record]) -> None:
        known = lock.read(self.models_dir).get(weight.name, {})
        new = {file.path: record for file, record in made.items()}
        self._seen.update({root / name: (record.size, record.mtime_ns) for name, record in new.items()})
        if all(known.get(name) == record for name, record in new.items()):
            return
        try:
            lock.update(self.models_dir, weight.name, new)
        except OSError as error:
            _log.warning("The lock file in %s cannot be written: %s", self.models_dir, error)

    def _not_here(self, weight: Weight, file: File) -> WeightsMissing:
        home = self.models_dir / weight.name
        elsewhere = "" if self.models_dir == places.default_models_dir() else f" with --models-dir {self.models_dir}"
        run = "Unset HF_HUB_OFFLINE and run" if self.offline else "Run"
        return WeightsMissing(
            f"{weight.name}: {file.path} is not in {home}.",
            field=file.path,
            cure=f"{run} {command_for(weight)}{elsewhere}, or lay the files of {weight.repo} there by hand.",
        )

    def _wanted(self, weight: Weight) -> list[File]:
        """What a download has to bring into the models directory, required files first."""
        root = places.find(weight, self.models_dir)
        home = self.models_dir / weight.name
        wrong = self._examine(weight, root)
        for error in wrong.values():
            _log.warning("%s It is fetched anew.", error.message)
        if not wrong and not places.missing(weight, root):
            return []
        absent = [file for file in weight.files if not (home / file.path).is_file()]
        return sorted({*absent, *(wrong if root == home else ())}, key=lambda file: (not file.required, file.path))

    @contextmanager
    def _one_at_a_time(self, weight: Weight) -> Iterator[Path]:
        """The folder of partial files, held against other processes; emptied when all went well."""
        from filelock import FileLock

        parts = self.models_dir / ".partial" / weight.name
        try:
            parts.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WeightsError(
                f"{self.models_dir} cannot be written ({error.strerror}).", cure="Choose another --models-dir."
            ) from error
        with FileLock(parts / "lock"):
            yield parts
            for stale in parts.glob("*.part"):
                stale.unlink()

    def _download(self, weight: Weight, files: list[File], parts: Path, progress: Progress) -> None:
        def ask(file: File) -> hub.Announced | None:
            return hub.announced(weight, file, self._endpoint)

        # One question alone first: when the hub is out of reach, nobody waits for eighteen answers that do not come.
        told = [ask(file) for file in files[:1]]
        with ThreadPoolExecutor(8) as pool:
            told += pool.map(ask, files[1:])
        offers = [(file, offer) for file, offer in zip(files, told, strict=True) if offer is not None]
        for file, offer in offers:
            if SHA256.fullmatch(offer.digest):
                _compare_with_pin(weight, file, offer.digest)
        self._check_room(weight, [(offer, parts / f"{offer.digest}.part") for _, offer in offers])
        for file, offer in offers:
            self._bring(weight, file, offer, parts / f"{offer.digest}.part", progress)

    def _check_room(self, weight: Weight, offers: list[tuple[hub.Announced, Path]]) -> None:
        here = sum(part.stat().st_size for _, part in offers if part.exists())
        needed = sum(offer.size or 0 for offer, _ in offers) - here
        free = shutil.disk_usage(self.models_dir).free
        if needed + _MARGIN > free:
            raise WeightsError(
                f"{weight.name} needs {needed / 1e9:.1f} GB more in {self.models_dir}; {free / 1e9:.1f} GB are free.",
                cure="Free some room, or choose another disk with --models-dir.",
            )

    def _bring(self, weight: Weight, file: File, offer: hub.Announced, part: Path, progress: Progress) -> None:
        """Transfers one file, verifies it and only then gives it its name."""
        hub.transfer(weight, file, offer, part, lambda done, total: progress(file.path, done, total))
        actual = announced_hash_of(part, offer.digest)
        if actual != offer.digest:
            part.unlink()
            raise WeightsCorrupt(
                f"{weight.repo}/{file.path} arrived damaged: its hash is {actual}, the hub announced {offer.digest}.",
                field=file.path,
                cure="Run the same command again; if it happens again, a proxy on the way changes the file.",
            )
        sha256 = actual if SHA256.fullmatch(actual) else sha256_of(part)
        try:
            _compare_with_pin(weight, file, sha256)
        except WeightsCorrupt:
            part.unlink()
            raise
        home = self.models_dir / weight.name
        lock.settle(part, home / file.path)
        record = lock.Record(sha256, *stamp(home / file.path), "hub", offer.commit)
        self._remember(weight, home, {file: record})

    def _verify_shipped(self, folder: Path) -> None:
        sums = folder / bundle.SUMS
        if not sums.is_file() or self._seen.get(sums) != stamp(sums):
            bundle.check(folder)
            self._seen[sums] = stamp(sums)


def _bytes_in(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def _compare_with_pin(weight: Weight, file: File, sha256: str) -> None:
    if file.sha256 is not None and sha256 != file.sha256:
        raise WeightsCorrupt(
            f"{weight.repo}/{file.path}: the hub's file has sha256 {sha256}, expected {file.sha256}.",
            field=file.path,
            cure="It was not kept. Check that HF_ENDPOINT is a hub you trust.",
        )
