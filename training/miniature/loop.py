"""The training loop of every stage: one or several single-thread processes on shared weights, resumable exactly.

Weights, their moving average and each process's gradients lie in shared memory as flat vectors. A process computes
the gradient of its own part of the batch; then each process averages and applies the gradients of the parameters
that it owns. On a few CPU cores this is faster than one process with several threads.
"""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import dataclass, fields
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Protocol

import torch
import torch.multiprocessing as mp
from torch import nn

from training.children import end_with_parent
from training.miniature.checkpoint import Checkpoint, averaged_weights, take
from training.miniature.claims import made_of
from training.miniature.optimizers import optimizers_of
from training.miniature.telling import TERMINAL_SECONDS, Meter, say

ANYHOW = ("save_minutes", "log_steps")  # of a plan, what the weights do not depend on


class Stage(Protocol):
    """What is trained: a dataclass of numbers and paths, as instances travel to other processes.

    A field that is a folder has the names of the files read from it in a class variable ``READS``, by the field's name.
    """

    @property
    def name(self) -> str:
        """Of the stage, for logs."""
        ...

    def build(self) -> nn.Module:
        """The network, ready to train: parameters that do not require a gradient stay as they are."""
        ...

    def loss(self, network: nn.Module, step: int, rank: int, batch: int) -> torch.Tensor:
        """The scalar loss of one batch, a function of the weights, the step and the rank alone."""
        ...


@dataclass(frozen=True)
class Plan:
    """How long and how a stage is trained.

    steps or minutes: the length; with minutes, the learning rate follows the clock and the length is not reproducible.
    batch: samples of one process and step. workers: processes.
    lr: peak rate of AdamW; lr_of scales it by parameter name. muon: rate for matrices, 0 trains them by AdamW as well.
    warmup: steps. hold: share of the run at the peak before the linear fall to floor * lr.
    ema: decay of the moving average of the weights, which is what is exported.
    save_minutes: time between checkpoints.
    """

    steps: int | None = None
    minutes: float | None = None
    batch: int = 32
    workers: int = 1
    lr: float = 1.2e-3
    muon: float = 0.0
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.01
    warmup: int = 150
    hold: float = 0.5
    floor: float = 0.03
    ema: float = 0.999
    clip: float = 1.0
    save_minutes: float = 2.5
    log_steps: int = 50

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("give either steps or minutes")

    def rate(self, step: int, progress: float) -> float:
        """The factor of the learning rate; progress runs from 0 to 1."""
        fall = 1.0 if progress < self.hold else 1 - (1 - self.floor) * (progress - self.hold) / max(1 - self.hold, 1e-6)
        return min(1.0, (step + 1) / max(self.warmup, 1)) * max(fall, self.floor)


@dataclass
class _Shared:
    weights: torch.Tensor  # (parameters,)
    average: torch.Tensor  # (parameters,)
    gradients: torch.Tensor  # (workers, parameters)
    numbers: torch.Tensor  # (workers, 2) float64: loss and squared gradient norm
    progress: torch.Tensor  # (2,) float64: progress 0..1 and 1.0 when a checkpoint is due
    barrier: Barrier | None

    def wait(self) -> None:
        if self.barrier is not None:
            self.barrier.wait()


def trained(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that a stage trains, by name."""
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def train(stage: Stage, plan: Plan, folder: Path, *, log: Path | None = None) -> dict[str, torch.Tensor]:
    """Train a stage, or go on with it where the folder's checkpoint stands.

    Args:
        folder: gets ``weights.safetensors`` (keys ``weights.NAME`` and ``average.NAME``), the optimizer's state and
            ``progress.json``, in ``checkpoint``; there is always one whole checkpoint, whenever a run is killed.
        log: text file that gets one line every plan.log_steps steps.

    Returns:
        the moving average of the trained parameters, by name.

    Raises:
        RequestError: the folder's checkpoint is of another stage, plan, seed or of other files; names what differs.
    """
    stood = take(folder, _told(stage, plan))
    length = f"{plan.steps} steps" if plan.steps else f"{plan.minutes:g} minutes"
    if plan.steps and stood >= plan.steps:
        say(f"{stage.name} stands at step {stood}, its last; nothing is left to learn.")
        return averaged_weights(folder)
    say(f"{stage.name} {f'goes on from step {stood}' if stood else 'begins'}; it takes {length}.")
    total = sum(parameter.numel() for parameter in trained(stage.build()).values())
    barrier = mp.get_context("spawn").Barrier(plan.workers) if plan.workers > 1 else None
    shared = _Shared(
        torch.zeros(total).share_memory_(),
        torch.zeros(total).share_memory_(),
        torch.zeros(plan.workers, total).share_memory_(),
        torch.zeros(plan.workers, 2, dtype=torch.float64).share_memory_(),
        torch.zeros(2, dtype=torch.float64).share_memory_(),
        barrier,
    )
    if plan.workers == 1:
        _work(0, stage, plan, folder, log, shared)
    else:
        mp.spawn(_work, args=(stage, plan, folder, log, shared), nprocs=plan.workers)  # type: ignore[attr-defined]
    return averaged_weights(folder)


def _told(stage: Stage, plan: Plan) -> dict[str, object]:
    """All that the trained weights are a function of."""
    how = {f"plan.{each.name}": getattr(plan, each.name) for each in fields(plan) if each.name not in ANYHOW}
    return {"stage": stage.name, **made_of(stage, "stage"), **how}


def generator(*key: int) -> torch.Generator:
    """Random numbers that depend on nothing but the key."""
    seed = 0
    for part in key:
        seed = (seed * 1_000_003 + part + 0x9E3779B9) % (1 << 62)
    return torch.Generator().manual_seed(seed)


def _views(flat: torch.Tensor, parameters: dict[str, nn.Parameter]) -> list[torch.Tensor]:
    sizes = [parameter.numel() for parameter in parameters.values()]
    return [part.view_as(p) for part, p in zip(flat.split(sizes), parameters.values(), strict=True)]


def _shares(parameters: dict[str, nn.Parameter], workers: int) -> list[tuple[int, int]]:
    """Runs of parameters (first, last + 1), one a worker, of about the same size."""
    total = sum(parameter.numel() for parameter in parameters.values())
    cuts, seen = [0], 0
    for index, parameter in enumerate(parameters.values()):
        seen += parameter.numel()
        if len(cuts) < workers and seen >= total * len(cuts) / workers:
            cuts.append(index + 1)
    cuts += [len(parameters)] * (workers + 1 - len(cuts))
    return list(itertools.pairwise(cuts))


def _work(rank: int, stage: Stage, plan: Plan, folder: Path, log: Path | None, shared: _Shared) -> None:
    if plan.workers > 1:
        end_with_parent()
        torch.set_num_threads(1)
    network = stage.build()
    parameters = trained(network)
    if rank == 0:
        for view, parameter in zip(_views(shared.weights, parameters), parameters.values(), strict=True):
            view.copy_(parameter.data)
        shared.average.copy_(shared.weights)
    shared.wait()
    own_gradient = shared.gradients[rank]
    for parameter, weight, slope in zip(
        parameters.values(), _views(shared.weights, parameters), _views(own_gradient, parameters), strict=True
    ):
        parameter.data = weight
        parameter.grad = slope

    first, last = _shares(parameters, plan.workers)[rank]
    names = list(parameters)[first:last]
    begin = sum(parameter.numel() for parameter in list(parameters.values())[:first])
    end = begin + sum(parameters[name].numel() for name in names)
    optimizers = optimizers_of({name: parameters[name] for name in names}, stage, plan)
    average = dict(zip(parameters, _views(shared.average, parameters), strict=True))
    weights = {name: parameter.data for name, parameter in parameters.items()}
    checkpoint = Checkpoint(folder, rank, weights, average, optimizers, shared.wait)
    step, elapsed = checkpoint.load()
    shared.wait()

    started = saved = time.monotonic()
    logged, shown = (Meter(stage.name, plan.batch * plan.workers) for _ in range(2))
    norm = rate = 0.0
    while True:
        if rank == 0:
            now = time.monotonic()
            done = elapsed + now - started
            shared.progress[0] = step / plan.steps if plan.steps else done / (60 * plan.minutes)  # type: ignore[operator]
            shared.progress[1] = float(shared.progress[0] >= 1 or now - saved > 60 * plan.save_minutes)
        shared.wait()
        progress, save = shared.progress.tolist()
        if save:
            saved = time.monotonic()
            checkpoint.save(step, elapsed + saved - started)
        if rank == 0 and shown.steps and (progress >= 1 or shown.seconds > TERMINAL_SECONDS):
            say(shown.line(step, min(progress, 1.0), norm, rate))
        if progress >= 1:
            break

        own_gradient.zero_()
        made = stage.loss(network, step, rank, plan.batch)
        made.backward()
        shared.numbers[rank, 0] = made.item()
        shared.wait()
        mean = shared.gradients[0, begin:end]
        mean = mean.clone() if plan.workers > 1 else mean
        for other in range(1, plan.workers):
            mean += shared.gradients[other, begin:end]
        mean /= plan.workers
        shared.numbers[rank, 1] = mean.double().square().sum()
        shared.wait()
        norm = math.sqrt(shared.numbers[:, 1].sum().item())
        own_gradient[begin:end].copy_(mean.mul_(min(1.0, plan.clip / (norm + 1e-8))))
        rate = plan.rate(step, progress)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate
            optimizer.step()
        decay = min(plan.ema, (1 + step) / (10 + step))
        shared.average[begin:end].lerp_(shared.weights[begin:end], 1 - decay)
        step += 1
        loss = shared.numbers[:, 0].mean().item()
        logged.add(loss)
        shown.add(loss)
        shared.wait()

        if rank == 0 and log is not None and step % plan.log_steps == 0:
            with log.open("a", encoding="utf-8") as file:
                file.write(logged.line(step, progress, norm, rate) + "\n")
