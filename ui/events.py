"""How the page's events are bound: handlers answer by name, stay private, and share one queue for the GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from errors import InputError

PRIVATE: dict[str, Any] = {"api_visibility": "private"}
QUICK: dict[str, Any] = {**PRIVATE, "queue": False, "show_progress": "hidden"}
GPU: dict[str, Any] = {
    **PRIVATE,
    "concurrency_limit": 1,
    "concurrency_id": "gpu",
    "show_progress": "hidden",
    "trigger_mode": "multiple",
}

Shown = dict[str, Any]
"""What a handler shows: values by the names of the page's parts."""


class Parts:
    """The components of a page by name."""

    def __init__(self, parts: dict[str, Any]) -> None:
        self._parts = parts

    def __getitem__(self, name: str) -> Any:
        return self._parts[name]

    def __contains__(self, name: str) -> bool:
        return name in self._parts

    def named(self, names: Sequence[str]) -> list[Any]:
        return [self._parts[name] for name in names]

    def values(self, names: Sequence[str], shown: Shown) -> list[Any]:
        """Of what is shown, the values in the order of these names; the others stay as they are."""
        return [shown.get(name, gr.skip()) for name in names]

    def keyed(self, handler: Callable[..., Shown]) -> Callable[..., dict[Any, Any]]:
        """A handler that answers by name, as one that answers by component."""

        def answer(*inputs: Any) -> dict[Any, Any]:
            return {self._parts[name]: value for name, value in handler(*inputs).items()}

        return answer

    def keyed_events(self, handler: Callable[..., Iterator[Shown]]) -> Callable[..., Iterator[dict[Any, Any]]]:
        """The same for a handler that answers several times."""

        def answer(*inputs: Any) -> Iterator[dict[Any, Any]]:
            for shown in handler(*inputs):
                yield {self._parts[name]: value for name, value in shown.items()}

        return answer


def text_of(event: gr.EventData, name: str) -> str:
    """A data-* attribute of the part of the page that was clicked."""
    return str((event._data or {}).get(name, ""))


def index_of(event: gr.EventData, name: str) -> int:
    """The same as a number. Raises InputError for anything else."""
    text = text_of(event, name)
    if not text.isascii() or not text.isdigit():
        raise InputError("That part of the page is out of date.", cure="Load the page again.")
    return int(text)


def nothing() -> None:
    return None
