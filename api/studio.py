"""Who makes the pictures: InstantID's engine once it is loaded, or plain SDXL where that cannot be and may be."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from api.failures import without_folders
from errors import InstantIDError, NotReady, WeightsError
from generation.background import EngineRoom
from style_presets import STYLES, Style

if TYPE_CHECKING:
    from face.analyzer import FaceAnalyzer
    from generation.plain import PlainEngine
    from generation.prepare import Prepared
    from generation.request import GenerationRequest, GenerationResult, Progress
    from weights.registry import Profile

log = logging.getLogger(__name__)

Events = Iterator["Progress | GenerationResult"]
Generate = Callable[["Prepared", threading.Event], Events]

INSTANTID = "instantid"
FALLBACK = "sdxl_fallback"


class Studio:
    """One engine and what is known of it.

    Args:
        room: where the engine is or will be.
        profile: of its weights.
        styles: the presets on offer.
        generate: how a prepared request is run; the engine's own way when None.
        load_plain: loads plain SDXL when InstantID cannot be loaded; None forbids it.
    """

    def __init__(
        self,
        room: EngineRoom,
        profile: Profile,
        *,
        styles: Mapping[str, Style] = STYLES,
        generate: Generate | None = None,
        load_plain: Callable[[], PlainEngine] | None = None,
    ) -> None:
        self.room = room
        self.profile = profile
        self.styles = styles
        self._generate = generate
        self._load_plain = load_plain
        self._lock = threading.Lock()
        self._plain: PlainEngine | None = None
        self._plain_error: InstantIDError | None = None
        self.broken: str | None = None

    @property
    def state(self) -> str:
        """ "loading", "ready" or "failed"; ready also when only the fallback is."""
        if self.broken is not None:
            return "failed"
        if self.room.state == "failed" and self._may_fall_back:
            if self._plain is not None:
                return "ready"
            return "failed" if self._plain_error is not None else "loading"
        return self.room.state

    @property
    def method(self) -> str:
        """How pictures are made just now, as answers say it."""
        return FALLBACK if self._plain is not None and self.room.engine is None else INSTANTID

    @property
    def reason(self) -> str | None:
        """Why the fallback is used, or nothing works; None when all is well."""
        return self.broken or (None if self.room.error is None else without_folders(self.room.error.message))

    @property
    def analyzer(self) -> FaceAnalyzer | None:
        """None while there is no engine, and with the fallback."""
        return None if self.room.engine is None else self.room.engine.analyzer

    def require(self) -> None:
        """Raises NotReady unless pictures can be made."""
        if (state := self.state) == "loading":
            raise NotReady("The weights are still being loaded.", cure="Try again in a moment.")
        if state == "failed":
            raise NotReady(f"No pictures can be made: {self.reason}", cure="The operator of this service can cure it.")

    def settle(self, seconds: float) -> bool:
        """Waits at most so long for the weights, brings the fallback when they failed; whether pictures can be made."""
        if not self.room.settled(seconds):
            return False
        if self.room.state == "failed" and self._may_fall_back:
            self._load_fallback()
        return self.state == "ready"

    def run(self, request: GenerationRequest, cancel: threading.Event) -> Events:
        """Events of a run, the result last. Raises what the engine raises, NotReady."""
        self.require()
        engine, plain = self.room.engine, self._plain
        if engine is not None:
            prepared = engine.prepare(request)
            yield from (engine.generate if self._generate is None else self._generate)(prepared, cancel)
        elif plain is not None:
            yield from plain.generate(request, cancel)
        else:
            raise NotReady("The weights are being exchanged.", cure="Try again in a moment.")

    def lost(self, error: BaseException) -> None:
        """Told of an error that nobody foresaw: after one of the accelerator itself nothing works in this process."""
        if type(error).__name__ == "AcceleratorError" or "CUDA error" in str(error):
            self.broken = "The accelerator failed; the process has to be started again."

    @property
    def _may_fall_back(self) -> bool:
        return self._load_plain is not None and isinstance(self.room.error, WeightsError)

    def _load_fallback(self) -> None:
        with self._lock:
            if self._plain is not None or self._plain_error is not None or self._load_plain is None:
                return
            try:
                self._plain = self._load_plain()
                log.warning("InstantID could not be loaded; plain SDXL answers in its place.")
            except InstantIDError as error:
                self._plain_error = error
                log.error("Neither InstantID nor plain SDXL could be loaded: %s", error)
