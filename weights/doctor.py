"""What is right and wrong with an installation, as rows that a terminal or a program can show.

Facts that need heavier libraries (devices, live sessions) come from the caller as a `Machine`; nothing is imported
here to find them out, and nothing here fails because weights are missing.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from weights.intact import command_for
from weights.published import UNVERIFIED, WEIGHTS, Weight
from weights.registry import PROFILES, Profile
from weights.store import Status, Store

ROOT = Path(__file__).parent.parent
GIB = 2**30

State = Literal["ok", "note", "missing", "wrong", "corrupt"]


@dataclass(frozen=True)
class Row:
    """One finding.

    Args:
        section: heading it stands under.
        name: what was looked at.
        state: "ok"; "note": worth knowing; "missing": not there, which may be intended; "wrong": does not work as it
            is; "corrupt": a file that must not be used.
        detail: what was found.
        cure: what to do about it, empty when nothing.
    """

    section: str
    name: str
    state: State
    detail: str
    cure: str = ""


@dataclass(frozen=True)
class Device:
    """A device that can run the networks: `kind` as torch names it, memory in GiB (the system's for "cpu")."""

    kind: str
    name: str
    total_gib: float
    free_gib: float


@dataclass(frozen=True)
class Machine:
    """What the caller found out.

    Args:
        devices: every device, the processor included.
        runs: profile name -> how it would run on the best device, in words.
        providers: face model file -> execution providers of a session that was really opened; empty when none was.
        wanted_provider: the provider that session was asked for.
        findings: rows of things that could not be found out.
    """

    devices: tuple[Device, ...] = ()
    runs: dict[str, str] = field(default_factory=dict)
    providers: dict[str, list[str]] = field(default_factory=dict)
    wanted_provider: str = "CPUExecutionProvider"
    findings: tuple[Row, ...] = ()


def examine(store: Store, machine: Machine, *, deep: bool = False) -> list[Row]:
    """All findings. `deep` hashes every file instead of trusting size and time."""
    statuses = {name: store.status(weight, deep) for name, weight in WEIGHTS.items()}
    return [
        *_packages(ROOT),
        *_face_runtime(machine),
        *(_device(device) for device in machine.devices),
        *machine.findings,
        _disk(store.models_dir),
        *(_weight(WEIGHTS[name], status) for name, status in statuses.items()),
        *(_profile(profile, statuses, machine) for profile in PROFILES.values()),
    ]


def _packages(root: Path) -> Iterator[Row]:
    """Each requirement against what is installed and what is locked."""
    locked = {
        one.name.lower(): str(one.specifier).removeprefix("==") for one in _requirements(root / "constraints.txt")
    }
    for wanted in _requirements(root / "requirements.txt"):
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        cure = f"pip install -r requirements.txt -c constraints.txt  # {wanted.name}{wanted.specifier}"
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            yield Row("Packages", wanted.name, "wrong", "not installed", cure)
            continue
        lock = locked.get(wanted.name.lower())
        if not wanted.specifier.contains(version, prereleases=True):
            yield Row("Packages", wanted.name, "wrong", f"{version}, needs {wanted.specifier}", cure)
        elif lock is not None and version.split("+")[0] != lock:
            yield Row("Packages", wanted.name, "note", f"{version}, tested with {lock}")
        else:
            yield Row("Packages", wanted.name, "ok", version)


def _requirements(path: Path) -> list[Requirement]:
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def _face_runtime(machine: Machine) -> Iterator[Row]:
    """Which execution provider the face models really run on: the list of available ones proves nothing."""
    versions = {}
    for name in ("onnxruntime", "onnxruntime-gpu"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    gpu = versions.get("onnxruntime-gpu")
    if len(set(versions.values())) > 1:
        yield Row(
            "Face models",
            "onnxruntime",
            "wrong",
            " and ".join(f"{name} {version}" for name, version in versions.items()) + " share files",
            f"pip install --force-reinstall --no-deps onnxruntime=={gpu} onnxruntime-gpu=={gpu}",
        )
    if not machine.providers:
        yield Row("Face models", "provider", "note", "no session was opened: there is no face pack here")
    for name, active in machine.providers.items():
        if machine.wanted_provider in active:
            yield Row("Face models", name, "ok", f"runs on {active[0]}")
        else:
            yield Row(
                "Face models",
                name,
                "wrong",
                f"{machine.wanted_provider} was asked for, {active[0] if active else 'nothing'} is active",
                _provider_cure(gpu, both=len(versions) > 1),
            )


def _provider_cure(gpu: str | None, *, both: bool) -> str:
    """One line that brings CUDA back to onnxruntime."""
    if gpu is None:
        return "pip uninstall -y onnxruntime && pip install onnxruntime-gpu"
    if both:
        return f"pip uninstall -y onnxruntime && pip install --force-reinstall --no-deps onnxruntime-gpu=={gpu}"
    return "Install the CUDA and cuDNN that this onnxruntime-gpu was built for; its messages above name the library."


def _device(device: Device) -> Row:
    memory = f"{device.free_gib:.1f} of {device.total_gib:.1f} GiB free"
    return Row("Devices", device.kind, "ok", f"{device.name}, {memory}")


def _disk(models_dir: Path) -> Row:
    there = next(place for place in (models_dir, *models_dir.parents) if place.exists())
    free = shutil.disk_usage(there).free
    return Row("Devices", "disk", "ok", f"{free / 1e9:.1f} GB free for {models_dir}")


def _weight(weight: Weight, status: Status) -> Row:
    problem = (status.problem or "").rstrip(".")
    if status.corrupt:
        return Row("Weights", weight.name, "corrupt", problem, "Delete the file and bring it again.")
    if status.present:
        checked = {"hashed": "verified", "unchanged": "unchanged since verified", "never": "not verified yet"}
        found = f"{size_in_words(status.bytes)}, {checked[status.verified]}, {licence_in_words(weight)}"
        return Row("Weights", weight.name, "ok", found)
    size = "" if weight.size is None else f"{'' if weight.exact else 'about '}{size_in_words(weight.size)}, "
    partly = f"{problem}, " if status.bytes else ""
    cure = "Restore it from the repository." if weight.folder else command_for(weight).strip("`")
    return Row("Weights", weight.name, "missing", f"{partly}{size}{licence_in_words(weight)}", cure)


def _profile(profile: Profile, statuses: dict[str, Status], machine: Machine) -> Row:
    wanting = [weight.name for weight in profile.weights if not statuses[weight.name].present]
    how = machine.runs.get(profile.name, "")
    if not wanting:
        return Row("Profiles", profile.name, "ok", f"ready; {how}" if how else "ready")
    needs = f"needs {', '.join(wanting)}"
    cure = "" if profile.shipped else f"python cli.py download --profile {profile.name}"
    return Row("Profiles", profile.name, "missing", f"{needs}; {how}" if how else needs, cure)


def licence_in_words(weight: Weight) -> str:
    """The short name of a licence, or that none was found."""
    return "licence not verified" if weight.licence == UNVERIFIED else weight.licence


def size_in_words(size: int) -> str:
    """Bytes as people read them, in powers of ten."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.2f} {unit}" if unit == "GB" else f"{size / scale:.0f} {unit}"
    return f"{size} B"
