"""What the measured numbers mean, and what to do about a low one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from style_presets import NO_STYLE

if TYPE_CHECKING:
    from face.references import PhotoReport

# Cosine of two ArcFace embeddings. Two real photographs of one person average about 0.52, different people about 0
# (MultiID-Bench, arXiv 2510.14975), and a picture made from a photo keeps some of that photo's own look on top.
STRONG = 0.55
FAIR = 0.35
# Mean keypoint distance over the eye distance. A detector that sees the same face twice differs by about 0.05 to 0.1.
KEPT = 0.15
ROUGHLY_KEPT = 0.35
PROFILE_YAW = 45.0
SMALL_FACE_PX = 60.0
STEP = 0.2
HIGHEST_STRENGTH = 1.2
WIDE = 1.3
"""Width over height from which on a picture is wide enough for several people."""

WIDEST = "widest"
"""Stands for the widest size of whichever weights there are."""


@dataclass(frozen=True)
class Advice:
    """Why the likeness is low and the next thing to try. `changes` maps names of the page's controls to values."""

    reason: str
    button: str = ""
    changes: dict[str, Any] = field(default_factory=dict)


def likeness_word(identity: float | None) -> str:
    if identity is None:
        return "not measurable"
    return "strong" if identity >= STRONG else "fair" if identity >= FAIR else "weak"


def pose_word(keypoint_error: float | None) -> str:
    if keypoint_error is None:
        return "not measurable"
    if keypoint_error <= KEPT:
        return "kept"
    return "roughly kept" if keypoint_error <= ROUGHLY_KEPT else "not kept"


def advise(
    identity: float | None,
    settings: dict[str, Any],
    reports: tuple[PhotoReport, ...],
    people: Sequence[tuple[int, float | None]] = (),
) -> Advice | None:
    """The most likely cause first. None when the likeness is fair or better.

    Args:
        settings: of the finished picture, as `GenerationRequest.to_settings` writes them.
        people: of several, who stands where, 0 the person of 1 Who, and the likeness; None for one who was not found.
    """
    if lost := sorted(person + 1 for person, likeness in people if likeness is None):
        return _lost(lost, settings)
    if identity is not None and identity >= FAIR:
        return None
    detail = float(settings.get("adapter_scale") or 0.0)
    shape = float(settings.get("identity_net_scale") or 0.0)
    if identity is None:
        return _unmeasured(settings, shape)
    if _turned_away(settings):
        return Advice(
            "In a profile a face can hardly be compared.", "Try the three-quarter view", _three_quarter(settings)
        )
    if settings.get("identity_start", 0.0) > 0 or settings.get("identity_end", 1.0) < 1:
        return Advice("The face is guided for a part of the steps only.", "Guide all steps", {"window": (0.0, 1.0)})
    template = settings.get("template")
    if template and template.get("adapter") is None:
        return Advice("The template may be of another recogniser: it needs the adapter of that one, under 1 Who.")
    if detail < 0.8:
        return Advice("Face detail is low.", "Try face detail 0.8", {"detail": 0.8})
    if shape < 0.8:
        return Advice("Face shape is low.", "Try face shape 0.8", {"shape": 0.8})
    if settings.get("style", NO_STYLE) != NO_STYLE:
        return Advice("A strong style changes the features.", "Try without the style", {"style": NO_STYLE})
    photo = _weak_photo(reports)
    if photo:
        return Advice(photo)
    if detail + STEP <= HIGHEST_STRENGTH + 1e-6:
        raised = round(detail + STEP, 2)
        return Advice("This face needs more weight.", f"Try face detail {raised:g}", {"detail": raised})
    if template:
        return Advice("More weight hardly helps this face, another try may.", "Try another seed", {"seed": None})
    return Advice("A second, different photo of the person helps most.")


def _lost(people: list[int], settings: dict[str, Any]) -> Advice:
    who = " and ".join(f"Person {number}" for number in people)
    told = f"{who} {'was' if len(people) == 1 else 'were'} not found in the picture."
    if not settings.get("keypoints") and settings["width"] < WIDE * settings["height"]:
        return Advice(f"{told} A wider one has more room for each.", "Try the widest size", {"size": WIDEST})
    return Advice(told, "Try another seed", {"seed": None})


def _unmeasured(settings: dict[str, Any], shape: float) -> Advice:
    if _turned_away(settings):
        return Advice(
            "A profile shows too little of a face to measure it.",
            "Try the three-quarter view",
            _three_quarter(settings),
        )
    if shape < 0.8:
        return Advice("The person's face was not found in the picture.", "Try face shape 0.8", {"shape": 0.8})
    if settings.get("style", NO_STYLE) != NO_STYLE:
        return Advice(
            "The person's face was not found in the picture; a strong style can hide it.",
            "Try without the style",
            {"style": NO_STYLE},
        )
    return Advice("The person's face was not found in the picture.", "Try another seed", {"seed": None})


def _turned_away(settings: dict[str, Any]) -> bool:
    return str(settings.get("view") or "").startswith("profile")


def _three_quarter(settings: dict[str, Any]) -> dict[str, Any]:
    return {"view": str(settings["view"]).replace("profile", "three_quarter")}


def _weak_photo(reports: tuple[PhotoReport, ...]) -> str:
    used = [report for report in reports if report.used]
    if not used:
        return ""
    if max(report.face_px for report in used) < SMALL_FACE_PX:
        return "The face in the photo is small. A closer photo helps most."
    if min(abs(report.yaw) for report in used) > PROFILE_YAW:
        return "The face in the photo is turned away. A photo from the front helps most."
    return ""
