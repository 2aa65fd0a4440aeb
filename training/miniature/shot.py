"""How a person is drawn this time: pose, expression, light, style, place and clothes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

EXPRESSIONS = ("neutral", "smile", "open mouth", "frown", "surprised")
STYLES = ("photo", "cartoon", "line art", "watercolor", "neon", "film noir", "vibrant")
PLAIN_COLOURS: dict[str, tuple[int, int, int]] = {
    "white": (240, 240, 238),
    "grey": (150, 154, 160),
    "blue": (108, 160, 216),
    "green": (132, 186, 130),
    "yellow": (244, 210, 110),
    "orange": (236, 150, 82),
    "red": (198, 70, 66),
    "pink": (240, 176, 190),
    "purple": (146, 116, 186),
    "brown": (142, 108, 82),
    "teal": (70, 150, 150),
    "black": (40, 42, 48),
}
SCENES = (
    "mars", "jungle", "snow", "beach", "night city", "forest", "desert sunset", "space", "library", "garden",
    "underwater",
)  # fmt: skip
PLACES = (*(f"plain {name}" for name in PLAIN_COLOURS), *SCENES)
GARMENTS = ("t-shirt", "shirt", "suit", "hoodie", "jumper", "dress", "coat")
CLOTHES_COLOURS: dict[str, tuple[int, int, int]] = {
    "white": (238, 238, 236),
    "black": (36, 36, 42),
    "grey": (128, 132, 138),
    "red": (200, 40, 46),
    "orange": (236, 124, 40),
    "yellow": (244, 200, 50),
    "green": (48, 140, 72),
    "teal": (30, 140, 146),
    "blue": (44, 92, 190),
    "purple": (122, 66, 168),
    "pink": (238, 130, 166),
    "brown": (120, 80, 52),
}
TINTS = ("white", "warm", "cool")

STYLE_SHARES = (0.34, 0.14, 0.10, 0.14, 0.10, 0.09, 0.09)
SCENE_SHARE = 0.6


@dataclass(frozen=True)
class Shot:
    """One picture's circumstances.

    yaw, pitch, roll: degrees. Positive yaw turns the nose to the right of the picture, positive pitch lifts the nose,
    positive roll turns the head clockwise as seen in the picture.
    face_size: height from chin to crown over the picture's side. centre: (x, y) of the middle of the head over the
    side. light: direction in degrees (0 from the right, 90 from above); light_strength 0..1.
    ``texture`` seeds the details of the scene.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    face_size: float = 0.6
    centre: tuple[float, float] = (0.5, 0.48)
    expression: str = "neutral"
    gaze: tuple[float, float] = (0.0, 0.0)
    style: str = "photo"
    place: str = "plain grey"
    clothes: str = "t-shirt"
    clothes_colour: str = "blue"
    light: float = 120.0
    light_strength: float = 0.5
    tint: str = "white"
    texture: int = 0

    @classmethod
    def sample(
        cls,
        rng: np.random.Generator,
        *,
        yaw: float = 45.0,
        pitch: float = 22.0,
        roll: float = 25.0,
        face_size: tuple[float, float] = (0.5, 0.75),
        offset: float = 0.06,
        styles: Sequence[str] = STYLES,
        style_shares: Sequence[float] | None = None,
        places: Sequence[str] | None = None,
        scene_share: float = SCENE_SHARE,
        **fixed: object,
    ) -> Shot:
        """Draw one shot at random.

        Args:
            yaw, pitch, roll: largest angle to either side, degrees; small angles are likelier.
            face_size: range of the face height over the picture's side.
            offset: how far the head's middle moves from (0.5, 0.49), over the side.
            styles, style_shares: styles to choose from and their shares.
            places: places to choose from; all by default, with scene_share of them scenes.
            fixed: fields of Shot that are set and not drawn.
        """
        unknown = set(fixed) - set(cls.__dataclass_fields__)
        if unknown:
            raise TypeError(f"Shot has no field {', '.join(sorted(unknown))}")
        if style_shares is None:
            shares = np.array([STYLE_SHARES[STYLES.index(style)] for style in styles])
        else:
            shares = np.asarray(style_shares, dtype=float)

        def angle(limit: float) -> float:
            return float(
                np.clip(rng.normal(0, 0.5), -1, 1) * limit if rng.random() < 0.6 else rng.uniform(-1, 1) * limit
            )

        if places is not None:
            place = str(rng.choice(list(places)))
        elif rng.random() < scene_share:
            place = str(rng.choice(SCENES))
        else:
            place = f"plain {rng.choice(list(PLAIN_COLOURS))}"
        shot = cls(
            yaw=angle(yaw),
            pitch=angle(pitch),
            roll=angle(roll),
            face_size=float(rng.uniform(*face_size)),
            centre=(0.5 + float(rng.uniform(-1, 1)) * offset, 0.49 + float(rng.uniform(-1, 1)) * offset * 0.7),
            expression=str(rng.choice(EXPRESSIONS, p=[0.3, 0.35, 0.13, 0.11, 0.11])),
            gaze=(float(rng.normal(0, 0.35)), float(rng.normal(0, 0.2))),
            style=str(rng.choice(list(styles), p=shares / shares.sum())),
            place=place,
            clothes=str(rng.choice(GARMENTS)),
            clothes_colour=str(rng.choice(list(CLOTHES_COLOURS))),
            light=float(rng.uniform(20, 160)),
            light_strength=float(rng.uniform(0.2, 1)),
            tint=str(rng.choice(TINTS, p=[0.5, 0.3, 0.2])),
            texture=int(rng.integers(1 << 31)),
        )
        return replace(shot, **fixed)  # type: ignore[arg-type]
