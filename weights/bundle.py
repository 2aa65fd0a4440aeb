"""Weights that are shipped with the app: a folder with a list of hashes in the format of `sha256sum`.

`python -m weights.bundle FOLDER` renews the list.
"""

from __future__ import annotations

import sys
from pathlib import Path

from errors import WeightsCorrupt, WeightsMissing
from weights.hashing import sha256_of

SUMS = "SHA256SUMS"
_CURE = "Restore the folder from the repository (`git checkout`, and `git lfs pull` where large-file storage is used)."


def write_sums(folder: Path) -> Path:
    """Lists every file of a folder with its hash, .md files left out. To be called last by whatever changes it."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name in names if name != SUMS and not name.endswith(".md")]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8", newline="\n")
    return folder / SUMS


def read_sums(folder: Path) -> dict[str, str]:
    """File path -> SHA-256 of a shipped folder."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise WeightsMissing(f"{folder.name}: {SUMS} is missing.", field=SUMS, cure=_CURE) from error
    pairs = [line.split("  ", 1) for line in lines if line]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise WeightsCorrupt(f"{folder.name}: {SUMS} is not a list of hashes.", field=SUMS, cure=_CURE)
    return {name: digest for digest, name in pairs}


def check(folder: Path, inside: str = "") -> None:
    """Verifies every listed file, or those of one part: the file or folder `inside`.

    Raises:
        WeightsMissing, WeightsCorrupt: naming the file, and for the latter the expected and the actual hash.
    """
    for name, expected in read_sums(folder).items():
        if inside and name != inside and not name.startswith(f"{inside}/"):
            continue
        path = folder / name
        if not path.is_file():
            raise WeightsMissing(f"{folder.name}: {name} is missing.", field=name, cure=_CURE)
        actual = sha256_of(path)
        if actual != expected:
            raise WeightsCorrupt(
                f"{folder.name}: {name} is damaged: its sha256 is {actual}, expected {expected}.",
                field=name,
                cure=_CURE,
            )


if __name__ == "__main__":
    print(write_sums(Path(sys.argv[1])))
