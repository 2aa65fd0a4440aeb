"""What an export holds: every network with its hashes, and of which files it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from errors import WeightsCorrupt, WeightsMissing
from weights.hashing import sha256_of
from weights.registry import PROFILES

FILE = "manifest.json"
VERSION = 1
EXPORTED = ("fp32", "fp16")
"""Precisions at which networks are exported; all others are made of one of them."""
NETWORKS = (
    "text_encoder",
    "text_encoder_2",
    "resampler",
    "unet",
    "identity_net",
    "vae_decoder",
    "vae_encoder",
    "face_detector",
    "face_recogniser",
)
"""What an export needs to make a picture; further ControlNets come on top."""


@dataclass(frozen=True)
class Source:
    """A file that a network was made of. path: absolute, as it lay then."""

    path: str
    size: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, file: Path) -> Source:
        stat = file.stat()
        return cls(str(file.resolve()), stat.st_size, stat.st_mtime_ns, sha256_of(file))

    def same_as(self, file: Path) -> bool:
        """Whether a file has these bytes; its time decides when it can, its hash when not."""
        if not file.is_file():
            return False
        stat = file.stat()
        if stat.st_size != self.size:
            return False
        known = str(file.resolve()) == self.path and stat.st_mtime_ns == self.mtime_ns
        return known or sha256_of(file) == self.sha256


@dataclass(frozen=True)
class Entry:
    """A network: SHA-256 of its .xml and .bin, its bytes, what it was made of, and how."""

    xml: str
    bin: str
    bytes: int
    sources: tuple[Source, ...]
    made: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """Everything in a folder of networks.

    Attributes:
        profile: of the weights. precision: of the stored weights.
        loras: fused ones as (name, weight).
        networks: name -> entry, in the order of making.
    """

    profile: str
    precision: str
    loras: tuple[tuple[str, float], ...] = ()
    networks: Mapping[str, Entry] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """None where there is none yet. Raises WeightsCorrupt when it cannot be understood."""
        file = folder / FILE
        if not file.is_file():
            return None
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            if told["version"] != VERSION:
                raise ValueError(told["version"])
            networks = {
                name: Entry(
                    entry["xml"],
                    entry["bin"],
                    entry["bytes"],
                    tuple(Source(**source) for source in entry["sources"]),
                    entry["made"],
                )
                for name, entry in told["networks"].items()
            }
            return cls(told["profile"], told["precision"], tuple((n, w) for n, w in told["loras"]), networks)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise WeightsCorrupt(
                f"{file} cannot be understood.", field=FILE, cure="Remove the folder and export again."
            ) from error

    def write(self, folder: Path) -> None:
        """Whole or not at all."""
        unfinished = folder / f"{FILE}.part"
        text = json.dumps({"version": VERSION, **asdict(self)}, indent=1)
        unfinished.write_text(text + "\n", encoding="utf-8")
        unfinished.replace(folder / FILE)

    def cure(self, *, changed: bool = False) -> str:
        """What makes these networks anew; what was quantised needs its export anew only when the weights changed."""
        of = f" --profile {self.profile}" if self.profile in PROFILES else ""
        export, quantize = (f"python cli.py openvino {verb}{of}" for verb in ("export", "quantize"))
        if self.precision in EXPORTED:
            return f"Run: {export} --precision {self.precision}"
        quantize = f"{quantize} --precision {self.precision}"
        return f"Run: {export}, then: {quantize}" if changed else f"Run: {quantize}"

    def missing(self) -> tuple[str, ...]:
        """Of NETWORKS, those that are not there: an export that was stopped."""
        return tuple(name for name in NETWORKS if name not in self.networks)

    def with_entry(self, name: str, entry: Entry) -> Manifest:
        return replace(self, networks={**self.networks, name: entry})

    def check(self, folder: Path, name: str) -> Path:
        """The .xml of a network whose every byte is as it was written.

        Raises WeightsMissing, WeightsCorrupt with the expected and the actual hash.
        """
        cure = self.cure()
        entry = self.networks.get(name)
        if entry is None:
            raise WeightsMissing(f"{folder.name} holds no {name}.", field=name, cure=cure)
        for suffix, expected in ((".xml", entry.xml), (".bin", entry.bin)):
            file = folder / f"{name}{suffix}"
            if not file.is_file():
                raise WeightsMissing(f"{file.name} is missing in {folder}.", field=file.name, cure=cure)
            actual = sha256_of(file)
            if actual != expected:
                message = f"{file.name} is damaged: its sha256 is {actual}, expected {expected}."
                raise WeightsCorrupt(message, field=file.name, cure=cure)
        return folder / f"{name}.xml"

    def fresh(self, folder: Path, name: str, files: Sequence[Path], made: Mapping[str, Any]) -> bool:
        """Whether a network is there, undamaged, made of these very files and in this way."""
        entry = self.networks.get(name)
        if entry is None or dict(entry.made) != dict(made) or len(entry.sources) != len(files):
            return False
        if not all(source.same_as(file) for source, file in zip(entry.sources, files, strict=True)):
            return False
        try:
            self.check(folder, name)
        except (WeightsMissing, WeightsCorrupt):
            return False
        return True


def entry_of(folder: Path, name: str, sources: Sequence[Source], made: Mapping[str, Any]) -> Entry:
    """What the manifest says of files that were just written."""
    xml, weights = (folder / f"{name}{suffix}" for suffix in (".xml", ".bin"))
    return Entry(
        sha256_of(xml), sha256_of(weights), xml.stat().st_size + weights.stat().st_size, tuple(sources), dict(made)
    )
