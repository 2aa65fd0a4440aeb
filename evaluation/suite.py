"""Which pictures an evaluation makes: quick for a glance; full has them all and the sweeps, for what is published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from evaluation.cases import Setting, Take
from face.views import VIEWS
from generation.modes import MODES, TURBO

if TYPE_CHECKING:
    from weights.registry import Profile

SEEDS = 10_000


@dataclass(frozen=True)
class Suite:
    """How much is measured.

    Args:
        people: subjects. gallery: people among whom one has to be recognised, the subjects included.
        pictures: of the main part, views in turn.
        views: subjects of whom every view is made of one wish.
        parts: pictures for each of both nets, one alone, neither; and, where there are sweeps, of each strength of one
            net alone and of each number of few steps.
        sweep: pictures for each point of the other sweeps; 0 leaves all sweeps out. The number of reference photos has
            twice those of the parts: what it gains is smaller than their spread.
        strengths, guidances, steps, references: the points; the profile's own guidance and steps are added.
        few_steps: of the fastest mode, where its LoRA comes with the weights.
    """

    name: str
    people: int
    gallery: int
    pictures: int
    views: int
    parts: int
    sweep: int
    strengths: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5)
    guidances: tuple[float, ...] = (1.0, 1.5, 2.5, 3.5, 5.0, 7.5)
    steps: tuple[int, ...] = (5, 10, 15, 25, 40)
    references: tuple[int, ...] = (1, 2, 4)
    few_steps: tuple[int, ...] = (4, 6, 8)


SUITES = {
    suite.name: suite
    for suite in (
        Suite("quick", people=33, gallery=100, pictures=66, views=1, parts=11, sweep=0),
        Suite("full", people=99, gallery=100, pictures=198, views=3, parts=33, sweep=6),
    )
}


@dataclass(frozen=True)
class Point:
    """One setting of a sweep: what it is called, and the pictures that measure it."""

    label: str
    takes: tuple[Take, ...]

    @property
    def setting(self) -> Setting:
        return self.takes[0].setting


@dataclass(frozen=True)
class Plan:
    """All pictures of an evaluation. A picture that stands in several places is made once."""

    main: tuple[Take, ...]
    views: tuple[Take, ...]
    sweeps: dict[str, tuple[Point, ...]]

    def takes(self) -> list[Take]:
        """Every picture once, in the order of making."""
        swept = [take for points in self.sweeps.values() for point in points for take in point.takes]
        return list(dict.fromkeys((*self.main, *self.views, *swept)))


def plan(suite: Suite, profile: Profile, seed: int, photos: Sequence[int]) -> Plan:
    """The pictures of a suite.

    Args:
        seed: 0 or more; pictures of different seeds have no noise in common.
        photos: of each subject, how many can be given.
    """
    people = len(photos)
    names = list(VIEWS)

    def take(number: int) -> Take:
        turn, subject = divmod(number, people)
        view = names[(number + 5 * turn) % len(names)]
        return Take(subject, number, view, seed * SEEDS + number)

    main = tuple(take(number) for number in range(suite.pictures))
    views = tuple(
        Take(subject, subject, view, seed * SEEDS + subject)
        for subject in range(min(suite.views, people))
        for view in names
    )
    sweeps = {name: [_possible(point, photos) for point in points] for name, points in _sweeps(profile, main, suite)}
    return Plan(main, views, {name: tuple(point for point in points if point.takes) for name, points in sweeps.items()})


def _possible(point: Point, photos: Sequence[int]) -> Point:
    """Without the pictures of people who have fewer photos than it takes."""
    return replace(point, takes=tuple(take for take in point.takes if take.setting.references <= photos[take.subject]))


def _sweeps(profile: Profile, main: tuple[Take, ...], suite: Suite) -> Iterator[tuple[str, list[Point]]]:
    parts = {
        "both": Setting(),
        "adapter alone": Setting(identity_net_scale=0.0),
        "IdentityNet alone": Setting(adapter_scale=0.0),
        "neither": Setting(adapter_scale=0.0, identity_net_scale=0.0),
    }
    if suite.parts:
        yield "parts", [_point(name, main[: suite.parts], setting) for name, setting in parts.items()]
    if not suite.sweep:
        return
    few, some, many = main[: suite.sweep], main[: suite.parts], main[: 2 * suite.parts]
    values = suite.strengths
    yield "adapter_alone", [_point(f"{value:g}", some, Setting(value, 0.0)) for value in values]
    yield "identity_net_alone", [_point(f"{value:g}", some, Setting(0.0, value)) for value in values]
    yield (
        "strengths",
        [
            _point(f"adapter {adapter:g}, IdentityNet {net:g}", few, Setting(adapter, net))
            for adapter in suite.strengths
            for net in suite.strengths
        ],
    )
    guidances = sorted({*suite.guidances, profile.guidance})
    yield (
        "guidance",
        [_point(f"{value:g}", few, Setting(guidance=_given(value, profile.guidance))) for value in guidances],
    )
    steps = sorted({*suite.steps, profile.steps})
    yield "steps", [_point(f"{value}", few, Setting(steps=_given(value, profile.steps))) for value in steps]
    yield "references", [_point(f"{value}", many, Setting(references=value)) for value in suite.references]
    if MODES[profile.turbo].distilled and profile.shipped:
        points = [_point(f"{value}, {TURBO}", some, Setting(steps=value, mode=TURBO)) for value in suite.few_steps]
        yield "few_steps", [*points, _point(f"{profile.steps}", some, Setting())]


def _given(value: Any, default: Any) -> Any:
    """None for the default, so that its pictures are those of the main part."""
    return None if value == default else value


def _point(label: str, takes: tuple[Take, ...], setting: Setting) -> Point:
    return Point(label, tuple(replace(take, setting=setting) for take in takes))
