"""Where weights lie on this machine, and what the environment says about it."""

from __future__ import annotations

import os
from pathlib import Path

from weights.hashing import GIT_BLOB, SHA256
from weights.published import File, Weight


def default_models_dir() -> Path:
    """Where weights are kept when nobody says otherwise."""
    return _user_cache() / "instantid" / "models"


def hub_is_switched_off() -> bool:
    """Whether the environment forbids downloads, read as huggingface_hub reads it."""
    told = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return told.strip().upper() in {"1", "ON", "YES", "TRUE"}


def find(weight: Weight, models_dir: Path) -> Path:
    """The first folder that has every required file; the weight's own in the models directory when none has.

    An unpacked insightface archive holds a folder of its own name, which counts as well; so do the folder of a weight
    that this one is a part of, and the hub's cache, where other programs and a Space's preload leave files.
    """
    home = models_dir / weight.name
    larger = [] if weight.within is None else [models_dir / weight.within]
    places = [home, home / weight.name, *larger, *_hub_snapshot(weight)]
    return next((place for place in places if not missing(weight, place)), home)


def missing(weight: Weight, root: Path) -> list[File]:
    """Required files that are not in a folder."""
    return [file for file in weight.files if file.required and not (root / file.path).is_file()]


def blob_name(path: Path) -> str | None:
    """The hash the hub announced for a file of its cache: the name of the blob that the file links to."""
    if not path.is_symlink():
        return None
    blob = path.resolve()
    is_hash = SHA256.fullmatch(blob.name) or GIT_BLOB.fullmatch(blob.name)
    return blob.name if blob.parent.name == "blobs" and is_hash else None


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _hub_snapshot(weight: Weight) -> list[Path]:
    home = os.environ.get("HF_HOME") or _user_cache() / "huggingface"
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
    repo = cache / f"models--{weight.repo.replace('/', '--')}"
    if weight.revision is not None:
        return [repo / "snapshots" / weight.revision]
    branch = repo / "refs" / "main"
    return [repo / "snapshots" / branch.read_text(encoding="utf-8").strip()] if branch.is_file() else []
