"""A run from its config to trained files: accelerate's loop, which one process or many share.

What a step learns from is a function of the seed and the step (training.examples), so a run that was stopped goes on
exactly, and two processes do what one does with twice the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration, set_seed
from diffusers.optimization import get_scheduler
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import DataLoader

from errors import Diverged, RequestError
from face.analyzer import FaceAnalyzer
from training.averaging import Average
from training.buckets import Batches, Order, nearest_bucket
from training.checkpoints import Checkpoints, Claim
from training.config import Config
from training.ending import Ending
from training.examples import Canvas, Examples, HeldOut, collate, one_person, split
from training.networks import Networks, load_networks
from training.running_loss import RunningLoss
from training.shards import Shards
from training.task import Task, trained
from training.validation import held_out_loss, make_pictures
from weights.store import Store

LOGS, CHECKPOINTS, PICTURES, OVERFIT = "logs", "checkpoints", "validation", "overfit"


@dataclass(frozen=True)
class Outcome:
    """step: where the run stands. first, last: what validation said at the run's begin (empty when it went on) and now.
    photos, held_out: how many were learned from and looked at."""

    step: int
    photos: int
    held_out: int
    first: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)


def run(
    config: Config,
    make_task: Callable[[Networks, Config], Task],
    *,
    what: str = "train",
    until: int | None = None,
    overfit: bool = False,
    store: Store | None = None,
    told: Callable[[int, dict[str, float]], None] = lambda step, numbers: None,
) -> Outcome:
    """Train, or go on where the output folder's newest checkpoint stands.

    Args:
        make_task: FaceTask or DistilTask. what: its name, by which the output folder is known.
        until: stop at this step, with a checkpoint, as if interrupted; the schedule stays that of config.steps.
        overfit: learn one person alone, and look at the very photos that are learned; into a folder of its own.
        told: called on the main process with the step and its figures.

    Raises:
        RequestError, WeightsMissing, WeightsCorrupt: before anything is learnt, and before the folder is claimed.
        Diverged: the loss or the weights are no numbers any more; the last checkpoint is from before that.
    """
    if overfit:
        config = replace(config, output=config.output / OVERFIT)
    accelerator = _accelerator(config)
    shards = Shards(config.data.shards)
    rows, looked_at = (one_person(shards),) * 2 if overfit else split(shards, config.data.held_out, config.seed)
    together = config.batch * accelerator.num_processes
    claim = Claim(config, what, shards, len(rows), together)

    set_seed(config.seed)
    store = store or Store(None, None)
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(config.precision, torch.float32)
    on_cpu = accelerator.device.type == "cpu"
    task = make_task(load_networks(config, store, torch.float32 if on_cpu else half), config)
    if config.checkpointing:
        task.networks.use_checkpointing()
    task.networks.pipeline.to(accelerator.device)
    channels, factor = task.networks.latents_of
    profile = config.weights
    canvas = Canvas(config.buckets, channels, factor, profile.keypoint_base_side, true_sizes=not profile.drawn)
    buckets = nearest_bucket(shards.sizes, config.buckets)
    looked_at = looked_at[: config.validation.samples]
    photos = HeldOut(shards, looked_at, buckets[looked_at], canvas, config.seed) if len(looked_at) else None
    analyzer = None
    if photos is not None and config.validation.pictures and accelerator.is_main_process:
        analyzer = FaceAnalyzer(store.path(config.weights.face_pack), det_size=config.weights.det_size)

    loop = _Loop(config, accelerator, task, photos, analyzer, told)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        claim.keep()
    order = Order(rows, buckets[rows], shards.shard_of[rows], unit=together, seed=config.seed)
    with _attention(on_cpu):
        loop.learn(Examples(shards, order, canvas, config.data, config.seed), min(until or config.steps, config.steps))
    return Outcome(loop.step, len(rows), len(looked_at), loop.first, loop.last)


def _accelerator(config: Config) -> Accelerator:
    on_cpu = not (torch.cuda.is_available() or torch.backends.mps.is_available())
    if on_cpu and config.precision == "fp16":
        raise RequestError("A CPU cannot train in fp16.", field="precision", cure='Write "bf16" or "no".')
    return Accelerator(
        cpu=on_cpu,
        mixed_precision=config.precision,
        gradient_accumulation_steps=config.accumulation,
        step_scheduler_with_optimizer=False,
        log_with="tensorboard",
        project_config=ProjectConfiguration(str(config.output), str(config.output / LOGS)),
    )


def _attention(on_cpu: bool) -> Any:
    """On a CPU, plain products train faster than torch's fused attention, whose backward pass in bfloat16 is slow."""
    return sdpa_kernel(SDPBackend.MATH) if on_cpu else nullcontext()


class _Loop:
    """The state of a run and its steps."""

    def __init__(
        self,
        config: Config,
        accelerator: Accelerator,
        task: Task,
        photos: HeldOut | None,
        analyzer: FaceAnalyzer | None,
        told: Callable[[int, dict[str, float]], None],
    ) -> None:
        self.config, self.accelerator, self.task, self.told = config, accelerator, task, told
        self.photos, self.analyzer = photos, analyzer
        self.parameters = list(trained(task.loss).values())
        self.optimizer = accelerator.prepare_optimizer(_optimizer(config, task))
        self.schedule = get_scheduler(
            config.optimizer.schedule,
            optimizer=self.optimizer,
            num_warmup_steps=config.optimizer.warmup,
            num_training_steps=config.steps,
        )
        self.average = Average(self.parameters, decay=config.ema) if config.ema else None
        self.model = accelerator.prepare_model(task.loss)
        accelerator.register_for_checkpointing(self.schedule)
        if self.average is not None:
            self.average.to(accelerator.device)
            accelerator.register_for_checkpointing(self.average)
        self.checkpoints = Checkpoints(accelerator, task.loss, config.output / CHECKPOINTS, config.keep)
        self.step, self.looked = 0, -1  # steps done, and the step of the last validation
        self.losses = RunningLoss(accelerator)
        self.first: dict[str, float] = {}
        self.last: dict[str, float] = {}

    def learn(self, examples: Examples, until: int) -> None:
        """Steps up to `until`; a signal to end (SIGTERM, Ctrl-C) ends them early, with a checkpoint."""
        accelerator, config = self.accelerator, self.config
        if (newest := self.checkpoints.newest()) is not None:
            self.losses.begin(self.checkpoints.load(newest))
            self.step = newest
        accelerator.init_trackers("", config={"profile": config.profile, "seed": config.seed})
        if self.step == 0:
            self.first = self.last = self._validate()
        with Ending() as ending:
            self._steps(self._batches(examples, until, ending), until, ending)
            self._save()
        if self.looked != self.step:
            self.last = self._validate()
        accelerator.end_training()

    def _batches(self, examples: Examples, until: int, ending: Ending) -> Any:
        each = self.config.accumulation * examples.order.unit
        places = Batches(self.step * each, until * each, self.config.batch)
        loader = DataLoader(
            examples,
            batch_sampler=places,  # type: ignore[arg-type]
            collate_fn=collate,
            num_workers=self.config.data.workers,
            worker_init_fn=ending.for_workers,
            pin_memory=self.accelerator.device.type == "cuda",
        )
        return self.accelerator.prepare_data_loader(loader)

    def _steps(self, batches: Any, until: int, ending: Ending) -> None:
        accelerator, config = self.accelerator, self.config
        for batch in batches:
            with accelerator.accumulate(self.model):
                loss = self.model(batch).mean()
                accelerator.backward(loss)
                self.losses.add(loss)
                norm = None
                if accelerator.sync_gradients and config.optimizer.clip:
                    norm = accelerator.clip_grad_norm_(self.parameters, config.optimizer.clip)
                self.optimizer.step()
                self.optimizer.zero_grad()
            if not accelerator.sync_gradients:
                continue
            self.schedule.step()
            if self.average is not None:
                self.average.step(self.parameters)
            self.step += 1
            due = self.step % config.log_every == 0
            if due or self.step == until:
                self._log(norm)
            if due:
                self.losses.begin()
            if self.step % config.save_every == 0:
                self._save()
            if config.validation.every and self.step % config.validation.every == 0:
                self.last = self._validate()
            if ending.asked:
                accelerator.set_trigger()
            if accelerator.check_trigger():
                break

    def _log(self, norm: torch.Tensor | None) -> None:
        loss = self.losses.mean()
        if not math.isfinite(loss):
            raise self._diverged("The loss")
        numbers = {"train/loss": loss, "train/rate": self.schedule.get_last_lr()[0]}
        if norm is not None:
            numbers["train/gradient"] = float(norm)
        self._tell(numbers)

    def _save(self) -> None:
        self._check_weights()
        self.checkpoints.save(self.step, self.losses.values())
        self._export()

    def _check_weights(self) -> None:
        """The loss of the last step says nothing of what the step did to the weights."""
        if not torch.stack([parameter.isfinite().all() for parameter in self.parameters]).all():
            raise self._diverged("A weight")

    def _diverged(self, what: str) -> Diverged:
        self.accelerator.end_training()
        newest = self.checkpoints.newest()
        left = "No checkpoint was written." if newest is None else f"The checkpoint of step {newest} is from before."
        return Diverged(
            f"{what} is no number any more at step {self.step}. {left}",
            field="optimizer.rate",
            cure="Lower optimizer.rate and optimizer.adapter_rate, or set optimizer.clip, in another output folder.",
        )

    def _tell(self, numbers: dict[str, float]) -> None:
        self.accelerator.log(numbers, step=self.step)
        if self.accelerator.is_main_process:
            self.told(self.step, numbers)

    def _validate(self) -> dict[str, float]:
        """Figures of the held-out photos with the averaged weights, where there is an average."""
        self.looked = self.step
        if self.photos is None:
            return {}
        config, accelerator = self.config, self.accelerator
        with self._averaged():
            numbers = {"loss": held_out_loss(self.task, self.photos, config.batch, accelerator)}
            if self.analyzer is not None:
                made, sheet = make_pictures(
                    self.task, self.photos, config.validation.pictures, self.analyzer, accelerator, config.seed
                )
                numbers |= made
                folder = config.output / PICTURES
                folder.mkdir(parents=True, exist_ok=True)
                sheet.save(folder / f"step-{self.step:08d}.png")
                for tracker in accelerator.trackers:
                    tracker.log_images({"validation": np.asarray(sheet)[None]}, step=self.step, dataformats="NHWC")
        accelerator.wait_for_everyone()
        self._tell({f"validation/{name}": value for name, value in numbers.items()})
        return numbers

    def _export(self) -> None:
        if self.accelerator.is_main_process:
            with self._averaged():
                self.task.export(self.config.output)
        self.accelerator.wait_for_everyone()

    def _averaged(self) -> AbstractContextManager[None]:
        return nullcontext() if self.average is None else self.average.in_place_of(self.parameters)


def _optimizer(config: Config, task: Task) -> torch.optim.Optimizer:
    wanted = config.optimizer
    kind = torch.optim.AdamW
    if wanted.eight_bit:
        try:
            from bitsandbytes.optim import AdamW8bit
        except ImportError as error:
            raise RequestError(
                "bitsandbytes is not installed.",
                field="optimizer.eight_bit",
                cure="Run: pip install bitsandbytes, or write eight_bit = false.",
            ) from error
        kind = AdamW8bit
    return kind(task.groups(), betas=wanted.betas, weight_decay=wanted.weight_decay)
