"""Who is drawn: the parameters that make up one identity and never change from shot to shot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TRAINING_SEEDS = range(0, 5_000_000)
EVALUATION_SEEDS = range(5_000_000, 9_000_000)
EXAMPLE_SEEDS = range(9_000_000, 10_000_000)

HAIR_COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (30, 27, 31),
    "blue-black": (38, 46, 92),
    "dark brown": (66, 42, 30),
    "brown": (110, 70, 42),
    "chestnut": (136, 62, 36),
    "auburn": (164, 58, 34),
    "red": (208, 82, 34),
    "dark blonde": (176, 134, 78),
    "blonde": (232, 194, 104),
    "grey": (150, 152, 158),
    "white": (232, 232, 230),
}
HAIR_STYLES = (
    "bald", "receding", "cropped", "side parting", "quiff", "spiky",
    "bob", "long", "wavy", "curly", "afro", "bun", "ponytail", "pigtails",
)  # fmt: skip
_WOMAN_HAIR = ("cropped", "side parting", "bob", "long", "wavy", "curly", "afro", "bun", "ponytail", "pigtails")
_MAN_HAIR = ("bald", "receding", "cropped", "side parting", "quiff", "spiky", "curly", "afro", "long")
BEARDS = ("none", "stubble", "full", "long", "goatee", "moustache", "chin strap")
GLASSES = ("none", "round", "square", "wide", "cat-eye", "half-rim", "sunglasses")
GLASSES_COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (26, 26, 30),
    "brown": (110, 62, 28),
    "red": (196, 30, 44),
    "blue": (34, 70, 170),
    "gold": (204, 156, 48),
    "green": (30, 110, 70),
}
EYE_COLOURS: dict[str, tuple[int, int, int]] = {
    "dark brown": (58, 34, 22),
    "brown": (112, 68, 32),
    "amber": (176, 118, 36),
    "green": (70, 132, 70),
    "blue": (58, 122, 196),
    "grey": (112, 128, 140),
}
EARRINGS = ("none", "stud", "hoop", "drop")


@dataclass(frozen=True)
class Person:
    """One drawn identity.

    Lengths are in head units: half of the height from chin to crown is 1. Other shape parameters run from -1 to 1
    or from 0 to 1, with 0 (or .5) in the middle. ``texture`` seeds what is placed at random but belongs to the
    person, such as freckles and curls.
    """

    woman: bool
    age: float
    skin: float
    undertone: float
    blush: float
    face_width: float
    jaw: float
    jaw_width: float
    forehead: float
    ear_size: float
    ear_out: float
    eye_size: float
    eye_spacing: float
    eye_height: float
    eye_tilt: float
    eye_open: float
    eye_colour: str
    lashes: float
    brow_height: float
    brow_thickness: float
    brow_tilt: float
    brow_arch: float
    brow_length: float
    nose_length: float
    nose_width: float
    nose_lift: float
    nose_bridge: float
    mouth_width: float
    mouth_height: float
    lip_fullness: float
    lip_colour: float
    mouth_curve: float
    hair_style: str
    hair_colour: str
    hair_volume: float
    hair_length: float
    fringe: float
    hairline: float
    parting: int
    beard: str
    beard_length: float
    glasses: str
    glasses_colour: str
    glasses_size: float
    freckles: float
    mole: tuple[float, float] | None
    age_lines: float
    earrings: str
    earring_colour: str
    neck_width: float
    shoulders: float
    texture: int

    @classmethod
    def from_seed(cls, seed: int) -> Person:
        """The person that belongs to a seed; the ranges above keep training, evaluation and examples apart."""
        return cls.sample(np.random.default_rng([seed, 0x9E0]))

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Person:
        """Draw one person at random, with variety exaggerated on purpose."""

        def spread(low: float, high: float) -> float:
            return float(rng.uniform(low, high))

        def choose(options: tuple[str, ...] | list[str], p: list[float] | None = None) -> str:
            return str(rng.choice(options, p=p))

        woman = bool(rng.random() < 0.5)
        age = spread(0, 1)
        beard = "none" if woman or rng.random() > 0.7 else choose(BEARDS[1:])
        colour = choose(["grey", "white"]) if age > 0.75 and rng.random() < 0.5 else choose(list(HAIR_COLOURS))
        glasses = choose(GLASSES[1:], [0.22, 0.22, 0.17, 0.15, 0.14, 0.10]) if rng.random() < 0.45 else "none"
        mole = None
        if rng.random() < 0.2:
            mole = (float(rng.choice([-1, 1])) * spread(0.2, 0.5), spread(0.3, 0.7))
        return cls(
            woman=woman,
            age=age,
            skin=spread(0, 1),
            undertone=spread(-1, 1),
            blush=spread(0, 1) * (1.0 if woman else 0.6),
            face_width=spread(0.66, 0.92),
            jaw=spread(-1, 0.5) if woman else spread(-0.6, 1),
            jaw_width=spread(-1, 1),
            forehead=spread(-1, 1),
            ear_size=spread(0.7, 1.4),
            ear_out=spread(0, 1),
            eye_size=spread(0.7, 1.4),
            eye_spacing=spread(0.29, 0.4),
            eye_height=spread(-0.1, 0.1),
            eye_tilt=spread(-1, 1),
            eye_open=spread(0.55, 1.15),
            eye_colour=choose(list(EYE_COLOURS)),
            lashes=spread(0.4, 1) if woman else spread(0, 0.2),
            brow_height=spread(-1, 1),
            brow_thickness=spread(0.3, 0.9) if woman else spread(0.5, 1.5),
            brow_tilt=spread(-1, 1),
            brow_arch=spread(-0.3, 1),
            brow_length=spread(0.75, 1.2),
            nose_length=spread(-1, 1),
            nose_width=spread(0.09, 0.24),
            nose_lift=spread(0.12, 0.36),
            nose_bridge=spread(0.2, 1),
            mouth_width=spread(0.2, 0.38),
            mouth_height=spread(-1, 1),
            lip_fullness=spread(0.35, 1.3) if woman else spread(0.2, 1),
            lip_colour=spread(0.2, 1) if woman else spread(0, 0.4),
            mouth_curve=spread(-1, 1),
            hair_style=choose(_WOMAN_HAIR if woman else _MAN_HAIR),
            hair_colour=colour,
            hair_volume=spread(0, 1),
            hair_length=spread(0, 1),
            fringe=spread(0, 1),
            hairline=spread(-1, 1),
            parting=int(rng.choice([-1, 1])),
            beard=beard,
            beard_length=spread(0, 1),
            glasses=glasses,
            glasses_colour=choose(list(GLASSES_COLOURS)),
            glasses_size=spread(0.85, 1.25),
            freckles=spread(0.4, 1) if rng.random() < 0.2 else 0.0,
            mole=mole,
            age_lines=max(0.0, (age - 0.6) * 2.5),
            earrings=choose(EARRINGS[1:]) if rng.random() < (0.5 if woman else 0.08) else "none",
            earring_colour=choose(["gold", "silver", "red", "turquoise"]),
            neck_width=spread(0.3, 0.42) if woman else spread(0.38, 0.56),
            shoulders=spread(1.45, 1.9) if woman else spread(1.7, 2.3),
            texture=int(rng.integers(1 << 31)),
        )

    @property
    def age_word(self) -> str:
        return "young" if self.age < 0.3 else "old" if self.age > 0.75 else "adult"

    @property
    def skin_word(self) -> str:
        return "pale" if self.skin < 0.25 else "light" if self.skin < 0.5 else "brown" if self.skin < 0.75 else "dark"
