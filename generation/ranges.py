"""Checks of single values. Each returns the clean value or raises RequestError naming field, range and cure."""

import difflib
import math
import unicodedata
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

from errors import RequestError

MAX_PROMPT = 10_000
"""Characters; two text encoders of 77 tokens never see more than a fraction of it."""

LONGEST_NAME = 60
"""Characters of an unknown name that are compared with the known ones."""

MAX_SEED = 2**32 - 1
"""The largest seed: exact in JSON, in JavaScript numbers and in every spreadsheet."""


def number(field: str, value: Any, low: float, high: float, *, name: str | None = None) -> float:
    """A finite real number in [low, high]; `name` is what it is called where that is not the field."""
    named = field if name is None else name
    cure = f"Give a number from {low:g} to {high:g}."
    if isinstance(value, bool) or not isinstance(value, Real):
        raise RequestError(f"{named} is not a number.", field=field, cure=cure)
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result) or not low <= result <= high:
        raise RequestError(f"{named} is out of range.", field=field, cure=cure)
    return result


def whole(field: str, value: Any, low: int, high: int) -> int:
    """A whole number in [low, high]; 30.0 counts as whole, because sliders and JSON say it so."""
    cure = f"Give a whole number from {low} to {high}."
    if isinstance(value, bool) or not isinstance(value, Real):
        raise RequestError(f"{field} is not a whole number.", field=field, cure=cure)
    number: Any = value
    if not low <= number <= high:
        raise RequestError(f"{field} is out of range.", field=field, cure=cure)
    if not isinstance(value, Integral) and not float(number).is_integer():
        raise RequestError(f"{field} is not a whole number.", field=field, cure=cure)
    return int(number)


def window(name: str, start: Any, end: Any, off: str | None = None) -> dict[str, float]:
    """A part of the run as two fields, `name`_start and `name`_end, fractions; 0 and 1 where they are None.

    Args:
        off: what to do instead of giving an empty window; None where an empty one may be given.
    """
    first, last = f"{name}_start", f"{name}_end"
    begins = number(first, 0.0 if start is None else start, 0.0, 1.0)
    ends = number(last, 1.0 if end is None else end, 0.0, 1.0)
    if begins > ends or (begins == ends and off is not None):
        raise RequestError(
            f"{first} is {'after' if off is None else 'not before'} {last}.",
            field=first,
            cure="Give a start that is not above the end."
            if off is None
            else f"Give a start that is smaller than the end; to switch it off, {off}.",
        )
    return {first: begins, last: ends}


def flag(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise RequestError(f"{field} is neither true nor false.", field=field, cure="Give true or false.")
    return value


def one_of(field: str, value: Any, names: Iterable[str]) -> str:
    """A known name; an error for another one says which known names are nearest."""
    known = list(names)
    if isinstance(value, str) and value in known:
        return value
    asked = value[:LONGEST_NAME] if isinstance(value, str) else ""
    near = difflib.get_close_matches(asked.casefold(), [name.casefold() for name in known], n=3, cutoff=0.5)
    alike = sorted((name for name in known if name.casefold() in near), key=lambda name: near.index(name.casefold()))
    shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
    raise RequestError(
        f"{field} has a name that is not known here.",
        field=field,
        cure=f"Did you mean {' or '.join(alike)}?" if alike else f"Choose one of: {shown}.",
    )


def text(field: str, value: Any) -> tuple[str, str | None]:
    """Printable text and, when something had to go, a note that says so.

    Control characters (NUL, escape) and lone surrogates are no text: no tokenizer and no PNG chunk can hold them.
    Line breaks and tabs become spaces; everything else (emoji, right-to-left marks) stays.
    """
    if not isinstance(value, str):
        raise RequestError(f"{field} is not text.", field=field, cure="Give text.")
    if len(value) > MAX_PROMPT:
        raise RequestError(
            f"{field} is {len(value):,} characters long.", field=field, cure=f"Give at most {MAX_PROMPT:,} characters."
        )
    spaced = value.translate({ord(space): " " for space in "\t\n\r\v\f"})
    clean = "".join(char for char in spaced if unicodedata.category(char) not in ("Cc", "Cs")).strip()
    dropped = len(spaced.strip()) - len(clean)
    note = f"{field}: {dropped} control characters were left out." if dropped > 0 else None
    return clean, note


def side(field: str, value: Any, low: int, high: int, step: int) -> tuple[int, str | None]:
    """A side in pixels, snapped to the nearest multiple of `step` inside [low, high], and a note when it moved."""
    given = whole(field, value, low, high)
    snapped = max(-(-low // step), min(high // step, (given + step // 2) // step)) * step
    note = f"{field} was set to {snapped} px, the nearest multiple of {step} to {given}." if snapped != given else None
    return snapped, note
