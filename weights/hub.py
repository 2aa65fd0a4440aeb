"""Speaking with the hub: what it announces of a file, and the transfer itself with resume.

`hf_hub_download` of huggingface_hub 2.4 starts an interrupted file anew. Files here are up to 5 GB, so its `http_get`
is driven directly and continues a partial file. It writes in steps of 10 MiB; less than that is lost at a break.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from errors import WeightsError, WeightsMissing
from weights.hashing import GIT_BLOB, SHA256
from weights.published import File, Weight

ANSWER_SECONDS = 4.0
"""How long the hub may take to say what it has; a machine without a network hears of it within five seconds."""

_FULL = {ENOSPC, EDQUOT, EFBIG}

Progress = Callable[[int, int | None], None]
"""Called with (bytes there, bytes in all or None) while a file arrives."""


@dataclass(frozen=True)
class Announced:
    """What the hub says of one file: where, at which commit, how many bytes, and its hash (SHA-256 or git blob)."""

    url: str
    commit: str
    size: int | None
    digest: str


def announced(weight: Weight, file: File, endpoint: str | None = None) -> Announced | None:
    """Asks the hub for one file; None when an optional file is not in the repository.

    Raises:
        WeightsMissing: the hub cannot be reached, or has no such repository, revision or file.
        WeightsError: it answers without a hash, so that nothing could be verified.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    url = hf_hub_url(weight.repo, file.path, revision=weight.revision, endpoint=endpoint)
    with _explained(weight, file):
        try:
            told = get_hf_file_metadata(url, timeout=ANSWER_SECONDS, endpoint=endpoint)
        except EntryNotFoundError:
            if file.required:
                raise
            return None
    digest = (told.etag or "").lower()
    if not told.commit_hash or not (SHA256.fullmatch(digest) or GIT_BLOB.fullmatch(digest)):
        raise WeightsError(
            f"{weight.repo}/{file.path}: the server announces no hash, so the file could not be verified.",
            field=file.path,
            cure="Check HF_ENDPOINT, or download the file by other means and lay it into the models directory.",
        )
    return Announced(
        url=hf_hub_url(weight.repo, file.path, revision=told.commit_hash, endpoint=endpoint),
        commit=told.commit_hash,
        size=told.size,
        digest=digest,
    )


def transfer(weight: Weight, file: File, told: Announced, part: Path, progress: Progress) -> None:
    """Brings one file into `part`, continuing where an earlier attempt stopped.

    The partial file stays when this fails, for the next attempt.
    """
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    part.parent.mkdir(parents=True, exist_ok=True)
    done = part.stat().st_size if part.exists() else 0
    if told.size is not None and done > told.size:
        part.unlink()
        done = 0
    progress(done, told.size)
    with _explained(weight, file), part.open("ab") as stream:
        http_get(
            told.url,
            stream,
            resume_size=done,
            headers=build_hf_headers(),
            expected_size=told.size,
            displayed_filename=file.path,
            tqdm_class=cast(Any, _meter(progress, told.size)),
        )


def _meter(progress: Progress, size: int | None) -> type:
    """A class with as much of tqdm's face as `http_get` looks at; it reports and draws nothing."""

    class Meter:
        def __init__(self, *, initial: int = 0, **_: object) -> None:
            self.done = initial

        def update(self, count: int) -> None:
            self.done += count
            progress(self.done, size)

        def __enter__(self) -> Meter:
            return self

        def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
            return

    return Meter


@contextmanager
def _explained(weight: Weight, file: File) -> Iterator[None]:
    """Turns what the hub's client raises into one sentence with a cure."""
    import httpx2
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    name = f"{weight.repo}/{file.path}"
    again = "What has arrived is kept; run the same command again."
    try:
        yield
    except GatedRepoError as error:
        raise WeightsMissing(
            f"{name}: the repository asks for an agreement.",
            field=file.path,
            cure=f"Accept its terms at {weight.url} and run `hf auth login`.",
        ) from error
    except RepositoryNotFoundError as error:
        raise WeightsMissing(
            f"{name}: the hub has no such public repository.",
            field=file.path,
            cure="Check HF_ENDPOINT and HF_TOKEN; if the repository is private, run `hf auth login`.",
        ) from error
    except (RevisionNotFoundError, EntryNotFoundError) as error:
        raise WeightsMissing(
            f"{name}: the hub does not have this file at revision {weight.revision or 'main'}.",
            field=file.path,
            cure=f"See {weight.url} for where it went, and lay it into the models directory by hand.",
        ) from error
    except OfflineModeIsEnabled as error:
        raise WeightsMissing(
            f"{name}: not on this machine, and downloads are switched off.",
            field=file.path,
            cure="Unset HF_HUB_OFFLINE.",
        ) from error
    except HfHubHTTPError as error:
        raise WeightsMissing(
            f"{name}: the hub answered {error.response.status_code}.", field=file.path, cure=again
        ) from error
    except httpx2.HTTPError as error:
        raise WeightsMissing(
            f"{name}: the hub cannot be reached ({type(error).__name__}).",
            field=file.path,
            cure=f"Check the network, the proxy and HF_ENDPOINT. {again}",
        ) from error
    except OSError as error:
        if error.errno in _FULL:
            raise WeightsError(
                f"{name}: the disk is full ({error.strerror}).", field=file.path, cure=f"Free some room. {again}"
            ) from error
        raise WeightsMissing(f"{name}: the transfer broke ({error}).", field=file.path, cure=again) from error
