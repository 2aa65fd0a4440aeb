"""Versions with known vulnerabilities that matter here cannot be installed; `scripts/audit` asks about all others."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent.parent
FLOORS = {
    # CVE-2026-59806 and the ten before it
    "gradio": ("6.20", "6.19.9"),
    # CVE-2026-25990, 42311 and 40192
    "pillow": ("12.2", "12.1.1"),
    # CVE-2025-32434, 2026-24747
    "torch": ("2.10", "2.9.1"),
    # CVE-2026-44513, GHSA-4prv-5hj7-c2xr
    "diffusers": ("0.42.1", "0.42.0"),
    # CVE-2024-47874, 2025-54121
    "starlette": ("0.47.2", "0.47.1"),
}
"""The first version that is safe, and one before it."""


@pytest.mark.parametrize("name", FLOORS)
def test_the_locked_version_is_safe_and_an_unsafe_one_is_not_asked_for(name: str) -> None:
    safe, unsafe = FLOORS[name]
    locked = _lines("constraints.txt")[name]
    (exact,) = locked.specifier
    assert Version(exact.version) >= Version(safe)
    assert not _lines("requirements.txt")[name].specifier.contains(unsafe)


def test_the_audit_reads_the_file_that_installs() -> None:
    script = (ROOT / "scripts" / "audit").read_text()
    assert "-r constraints.txt" in script
    assert all(len(line.specifier) == 1 for line in _lines("constraints.txt").values())


def _lines(file: str) -> dict[str, Requirement]:
    read = (line.split("#")[0].strip() for line in (ROOT / file).read_text().splitlines())
    return {one.name.lower(): one for one in map(Requirement, filter(None, read))}
