"""What is asked for in an evaluation: people, wishes, and the pictures to be made of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from PIL import Image


@dataclass(frozen=True, eq=False)
class Subject:
    """One person.

    Attributes:
        name: for files and sheets; nothing personal.
        photos: given as references, RGB; the first is the one that likeness is measured to.
        others: further true pictures of the person that are never given to the engine.
        expression: what the first photo shows, an option of the world's `expression`, or None when not known.
    """

    name: str
    photos: tuple[Image.Image, ...]
    others: tuple[Image.Image, ...] = ()
    expression: str | None = None


@dataclass(frozen=True)
class Wish:
    """What a picture is asked to show.

    Attributes:
        prompt: the words.
        wanted: attribute -> option that the picture has to show, of those that it can show at all.
    """

    prompt: str
    wanted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """What a sweep changes; None is the profile's default. `references` is how many of the photos are given, `mode` a
    speed mode by its name in `generation.modes`."""

    adapter_scale: float | None = None
    identity_net_scale: float | None = None
    guidance: float | None = None
    steps: int | None = None
    references: int = 1
    mode: str | None = None


@dataclass(frozen=True)
class Take:
    """One picture to be made.

    Attributes:
        subject, wish: places in the world's lists.
        view: name in `face.views.VIEWS`.
        seed: of the picture.
    """

    subject: int
    wish: int
    view: str
    seed: int
    setting: Setting = Setting()


class Reader(Protocol):
    """Tells what a picture shows."""

    options: Mapping[str, tuple[str, ...]]

    def read(self, pictures: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Of pictures (height, width, 3) uint8 RGB: attribute -> (n, options) probabilities."""
        ...


class World(Protocol):
    """Where people, wishes and the reader of attributes come from.

    Attributes:
        gallery: photos of further people, among whom the right one has to be recognised.
        left_out: file -> why, of photos that are not used though they were looked at: unreadable, or without a face.
        nobody: names of people who are left out because no such photo is left of them.
        drawn: whether the people are drawings.
        megabytes: size of the bundle, for drawn people; None for photographs, whose weights are not shipped.
    """

    @property
    def subjects(self) -> Sequence[Subject]: ...
    @property
    def gallery(self) -> Sequence[Image.Image]: ...
    @property
    def wishes(self) -> Sequence[Wish]: ...
    @property
    def megabytes(self) -> float | None: ...
    @property
    def reader(self) -> Reader | None: ...
    @property
    def left_out(self) -> Mapping[str, str]: ...
    @property
    def nobody(self) -> Sequence[str]: ...
    @property
    def drawn(self) -> bool: ...

    def true_picture(self, take: Take) -> Image.Image | None:
        """A true picture of the person as it was asked for, where the world can give one."""
        ...

    def marked(self) -> Sequence[tuple[Image.Image, np.ndarray]]:
        """Pictures whose keypoints (5, 2) are known truly; none where nobody knows them."""
        ...

    def through_autoencoder(self, pictures: Sequence[Image.Image]) -> list[Image.Image]:
        """True pictures encoded and decoded again: what is left of a true picture, though no bound, since a generator
        can exaggerate what would get lost; none where this is not measured."""
        ...
