"""A studio whose engines are elsewhere."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from api.studio import INSTANTID, Studio

if TYPE_CHECKING:
    from face.analyzer import FaceAnalyzer

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0


class FarStudio(Studio):
    """What a door knows of its engines: it asks one of them every few seconds.

    Args:
        room: of the face analyzer alone.
        ask: (state, method, reason) of an engine's studio; raises, or takes too long, while there is no engine.
    """

    def __init__(self, room: Any, profile: Any, *, styles: Any, ask: Callable[[], tuple[str, str, str | None]]) -> None:
        super().__init__(room, profile, styles=styles)
        self._ask = ask
        self._faces = room
        self._known: tuple[str, str, str | None] = ("loading", INSTANTID, None)
        threading.Thread(target=self._keep_asking, name="engines", daemon=True).start()

    @property
    def state(self) -> str:
        return self._known[0]

    @property
    def analyzer(self) -> FaceAnalyzer | None:
        return self._faces.engine

    @property
    def method(self) -> str:
        return self._known[1]

    @property
    def reason(self) -> str | None:
        return self._known[2]

    def _keep_asking(self) -> None:
        while True:
            try:
                self._known = self._ask()
            except Exception as error:  # whatever Ray raises while there is no engine, it heals that by itself
                if self._known[0] != "loading":
                    log.warning("No engine answers: %s", type(error).__name__)
                self._known = ("loading", INSTANTID, None)
            time.sleep(LOOK_SECONDS)
