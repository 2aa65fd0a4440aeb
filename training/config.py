"""What a training run is told, from a TOML file; every wrong line is answered with its name and the cure."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from errors import RequestError
from weights.registry import PROFILES, Profile

FRESH, OF_PROFILE = "fresh", "profile"
PRECISIONS = ("no", "bf16", "fp16")
SCHEDULES = ("constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial")
STEADY = ("constant", "constant_with_warmup")
"""Schedules that do not look at how many steps there are."""


@dataclass(frozen=True)
class Data:
    """What is learned from.

    shards: folders that `prepare-data` wrote.
    buckets: (width, height) of the batches' pictures; none takes the profile's sizes.
    held_out: share of the people (of the photos, where nobody is named) kept for validation.
    other_photo: share of the samples whose face comes from another photo of the person, where there is one.
    drop_text, drop_face, drop_both: shares of the samples that learn without, so that guidance works. A dropped text is
        the empty one, a dropped face the zero embedding.
    workers: processes of each training process that read photos; 0 reads between steps.
    """

    shards: tuple[Path, ...]
    buckets: tuple[tuple[int, int], ...] = ()
    held_out: float = 0.01
    other_photo: float = 0.5
    drop_text: float = 0.05
    drop_face: float = 0.05
    drop_both: float = 0.05
    workers: int = 4


@dataclass(frozen=True)
class Start:
    """What the learning parts begin as: "fresh", "profile" (its published weights), or a path.

    identity_net: a path is a folder ControlNetModel/. Fresh is a copy of the base's encoder.
    adapter: a path is an ip-adapter file. Fresh is a new resampler, and face attention that starts without effect.
    resampler_width, tokens: hidden size of a fresh resampler, a multiple of 64, and how many face tokens it gives.
    conditioning_channels: of a fresh IdentityNet's eye; one more than there are halvings from picture to latents.
    """

    identity_net: str = FRESH
    adapter: str = FRESH
    resampler_width: int = 1280
    tokens: int = 16
    conditioning_channels: tuple[int, ...] = (16, 32, 96, 256)


@dataclass(frozen=True)
class Optimizer:
    """AdamW and its schedule (one of `SCHEDULES`, the names of diffusers.optimization.get_scheduler).

    rate: of IdentityNet. adapter_rate: of resampler and face attention. eight_bit: bitsandbytes keeps the moments in
    8 bits. clip: largest norm of the gradient, 0 for any.
    """

    rate: float = 1e-5
    adapter_rate: float = 1e-4
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float = 1.0
    eight_bit: bool = False
    schedule: str = "constant_with_warmup"
    warmup: int = 500


@dataclass(frozen=True)
class Loss:
    """min_snr: gamma of min-SNR weighting (Hang et al., arXiv 2303.09556), 0 weighs all steps of the noise alike."""

    min_snr: float = 0.0


@dataclass(frozen=True)
class Validation:
    """What is looked at on held-out photos.

    every: steps between looks, 0 for the end alone. samples: photos for the loss. pictures: how many are made.
    steps, guidance: of the made pictures; 0 steps and a guidance below 0 take the profile's.
    """

    every: int = 1000
    samples: int = 64
    pictures: int = 4
    steps: int = 0
    guidance: float = -1.0


@dataclass(frozen=True)
class Distillation:
    """Latent consistency distillation into a LoRA (Luo et al., arXiv 2311.05556); used by `distil` alone.

    rank: of the LoRA. guidance: range from which each sample's guidance of the teacher is drawn.
    solver_steps: steps of the DDIM solver, the only ones of the noise that the student sees. LCMScheduler samples at
        steps of 50 evenly spaced ones, so that with another number it asks the student about steps in between.
    huber: constant of the pseudo-Huber loss.
    """

    rank: int = 64
    guidance: tuple[float, float] = (3.0, 9.0)
    solver_steps: int = 50
    huber: float = 0.001


@dataclass(frozen=True)
class Config:
    """One run.

    profile: base model, autoencoder, text encoders and face models, by its name in weights.registry.
    output: folder of checkpoints, logs, pictures and the trained files.
    batch: photos of one process and step. accumulation: batches before the weights change.
    precision: "bf16", "fp16" or "no". checkpointing: compute activations again instead of keeping them.
    ema: decay of the moving average of the weights, which is what is exported; 0 for none.
    save_every: steps between checkpoints. keep: how many checkpoints stay. log_every: steps between logged figures.
    """

    profile: str
    output: Path
    data: Data
    seed: int = 0
    steps: int = 100_000
    batch: int = 4
    accumulation: int = 1
    precision: str = "bf16"
    checkpointing: bool = False
    ema: float = 0.0
    save_every: int = 1000
    keep: int = 2
    log_every: int = 10
    start: Start = field(default_factory=Start)
    optimizer: Optimizer = field(default_factory=Optimizer)
    loss: Loss = field(default_factory=Loss)
    validation: Validation = field(default_factory=Validation)
    distillation: Distillation = field(default_factory=Distillation)

    @property
    def weights(self) -> Profile:
        return PROFILES[self.profile]

    @property
    def buckets(self) -> tuple[tuple[int, int], ...]:
        return self.data.buckets or tuple((width, height) for _, width, height in self.weights.sizes)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return json.loads(json.dumps(asdict(self), default=str))


def load_config(path: Path) -> Config:
    """Read a run from a TOML file.

    Raises:
        RequestError: no such file, no TOML, an unknown name, or a value that cannot be meant.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} cannot be read.", field="config", cure="Give a TOML file.") from error
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"{path} is no TOML: {error}.", field="config", cure="Mend that line.") from error
    config = _read(Config, table, "")
    _check(config)
    return config


def _read(kind: Any, table: Any, where: str) -> Any:
    if not isinstance(table, Mapping):
        raise _wrong(where.rstrip("."), "a table")
    hints = get_type_hints(kind)
    known = {each.name: each for each in fields(kind)}
    if unknown := [name for name in table if name not in known]:
        raise RequestError(
            f"There is no setting {where}{unknown[0]}.", field=where + unknown[0], cure=f"Known: {', '.join(known)}."
        )
    values = {}
    for name, value in table.items():
        hint = hints[name]
        values[name] = (
            _read(hint, value, f"{where}{name}.") if is_dataclass(hint) else _value(hint, value, where + name)
        )
    try:
        return kind(**values)
    except TypeError as error:
        required = [name for name in ("profile", "output", "data", "shards") if name in known and name not in values]
        raise RequestError(
            f"The setting {where}{required[0]} is missing.", field=where + required[0], cure="Write it."
        ) from error


def _value(hint: Any, value: Any, name: str) -> Any:
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        if not isinstance(value, list):
            raise _wrong(name, "a list")
        if kinds[-1] is Ellipsis:
            kinds = (kinds[0],) * len(value)
        if len(kinds) != len(value):
            raise _wrong(name, f"a list of {len(kinds)}")
        return tuple(_value(kind, each, name) for kind, each in zip(kinds, value, strict=True))
    if hint is Path and isinstance(value, str) and value.strip():
        return Path(value).expanduser()
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise _wrong(name, "a finite number")
        return float(value)
    if hint in (int, str, bool) and type(value) is hint:
        return value
    raise _wrong(
        name, {Path: "a path", float: "a number", int: "a whole number", str: "a text", bool: "true or false"}[hint]
    )


def _begins(begin: str, file: str = "") -> bool:
    """Whether a part can start so."""
    return begin in (FRESH, OF_PROFILE) or (begin != "" and (Path(begin).expanduser() / file).exists())


def _may_hold(folder: Path) -> bool:
    """Whether it is a folder, or can become one."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists()).is_dir()


def _wrong(name: str, wanted: str) -> RequestError:
    return RequestError(f"The setting {name} must be {wanted}.", field=name, cure="Mend it in the config.")


def _check(config: Config) -> None:
    """Ranges, each answered with its own name."""
    if config.profile not in PROFILES:
        raise RequestError(
            f"There is no profile {config.profile!r}.", field="profile", cure=f"Choose one of: {', '.join(PROFILES)}."
        )
    data, optimizer, step = config.data, config.optimizer, config.weights.size_step
    wanted = {
        "data.shards": (len(data.shards) > 0, "at least one folder"),
        "data.buckets": (
            all(side >= step and side % step == 0 for bucket in config.buckets for side in bucket),
            f"sides that are multiples of {step}",
        ),
        "data.held_out": (0 <= data.held_out < 1, "from 0 to below 1"),
        "data.other_photo": (0 <= data.other_photo <= 1, "from 0 to 1"),
        "data.drop_text": (
            min(data.drop_text, data.drop_face, data.drop_both) >= 0
            and data.drop_text + data.drop_face + data.drop_both <= 1,
            "a share, and with drop_face and drop_both at most 1",
        ),
        "data.workers": (data.workers >= 0, "0 or more"),
        "start.resampler_width": (
            config.start.resampler_width >= 64 and config.start.resampler_width % 64 == 0,
            "a multiple of 64",
        ),
        "start.identity_net": (_begins(config.start.identity_net, "config.json"), "fresh, profile, or a folder"),
        "start.adapter": (_begins(config.start.adapter), "fresh, profile, or a path"),
        "start.conditioning_channels": (
            len(config.start.conditioning_channels) > 1 and min(config.start.conditioning_channels) >= 1,
            "two or more whole numbers from 1",
        ),
        "start.tokens": (config.start.tokens >= 1, "1 or more"),
        "optimizer.rate": (0 < optimizer.rate < 1, "above 0 and below 1"),
        "optimizer.adapter_rate": (0 < optimizer.adapter_rate < 1, "above 0 and below 1"),
        "optimizer.weight_decay": (optimizer.weight_decay >= 0, "0 or more"),
        "optimizer.betas": (all(0 <= beta < 1 for beta in optimizer.betas), "two numbers from 0 to below 1"),
        "optimizer.schedule": (optimizer.schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}"),
        "optimizer.warmup": (optimizer.warmup >= 0, "0 or more"),
        "optimizer.clip": (optimizer.clip >= 0, "0 or more"),
        "loss.min_snr": (config.loss.min_snr >= 0, "0 or more"),
        "distillation.rank": (config.distillation.rank >= 1, "1 or more"),
        "distillation.solver_steps": (2 <= config.distillation.solver_steps <= 1000, "from 2 to 1000"),
        "distillation.guidance": (
            0 <= config.distillation.guidance[0] <= config.distillation.guidance[1],
            "two numbers, the lower one first",
        ),
        "distillation.huber": (config.distillation.huber > 0, "above 0"),
        "output": (_may_hold(config.output), "a folder, and nothing on its way a file"),
        "seed": (0 <= config.seed < 2**32, "from 0 to below 2 to the power of 32"),
        "steps": (config.steps >= 1, "1 or more"),
        "batch": (config.batch >= 1, "1 or more"),
        "accumulation": (config.accumulation >= 1, "1 or more"),
        "precision": (config.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
        "ema": (0 <= config.ema < 1, "from 0 to below 1"),
        "save_every": (config.save_every >= 1, "1 or more"),
        "log_every": (config.log_every >= 1, "1 or more"),
        "keep": (config.keep >= 1, "1 or more"),
        "validation.every": (config.validation.every >= 0, "0 or more"),
        "validation.steps": (config.validation.steps >= 0, "0 or more"),
        "validation.samples": (config.validation.samples >= 1, "1 or more"),
        "validation.pictures": (config.validation.pictures >= 0, "0 or more"),
    }
    for name, (right, text) in wanted.items():
        if not right:
            raise _wrong(name, text)
