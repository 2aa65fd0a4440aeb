"""Loading the weights in the background: the page and the service come first, and say what they wait for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from errors import InstantIDError, RequestError, WeightsError

if TYPE_CHECKING:
    from generation.engine import Engine
    from weights.store import Progress

log = logging.getLogger(__name__)

PATIENCE = 0.2
"""Seconds between two looks whether pictures are still made."""


Load = Callable[["Progress"], "Engine"]


class EngineRoom:
    """Holds the engine from the moment it is there.

    load: builds the engine; called once per `start` with a function to be told (file, bytes there, bytes in all) while
        weights are downloaded. A failure is kept and shown, and `start` tries again.
    ways: names of other ways of running the same weights, each with what builds its engine; `way` is that of `load`.
    """

    def __init__(self, load: Load, ways: Mapping[str, Load] | None = None, way: str = "PyTorch") -> None:
        self._load = load
        self.ways = {way: load, **(ways or {})}
        self.way = way
        self._lock = threading.Lock()
        self._settled = threading.Event()
        self._started = False
        self.download: tuple[str, int, int | None] | None = None
        self.engine: Engine | None = None
        self.error: InstantIDError | None = None
        self.changing = False
        self.refused: InstantIDError | None = None
        """Why the last change of weights was not made."""

    @property
    def state(self) -> str:
        """ "loading", "ready" or "failed"."""
        if self.engine is not None:
            return "ready"
        return "failed" if self.error is not None else "loading"

    def start(self, *, wait: bool = False) -> None:
        """Loads in a thread of its own, or here when `wait` is set. Does nothing while loading or when loaded."""
        with self._lock:
            if self._started:
                return
            self._started = True
            self.error = None
            self._settled.clear()
        if wait:
            self._run()
        else:
            threading.Thread(target=self._run, name="weights", daemon=True).start()

    def choose(self, way: str, *, wait: bool = False) -> None:
        """The same weights in another of the `ways`, for everybody, as `change` does it.

        Raises RequestError for a way that is not known, WeightsError while weights are being loaded.
        """
        if way not in self.ways:
            raise RequestError("There is no such way to run.", field="backend", cure="Choose one of the list.")
        if way != self.way or self.engine is None:
            self._begin(lambda told: self.ways[way], way, wait)

    def change(self, prepare: Callable[[Progress], Load], *, wait: bool = False) -> None:
        """Other weights in the place of these, for everybody: brought first, loaded when the pictures under way are
        done. What was loaded stays, or comes back, when that fails; `refused` says why.

        Args:
            prepare: brings and checks the other weights; returns what loads them.

        Raises WeightsError while weights are loaded or changed already.
        """
        self._begin(prepare, None, wait)

    def _begin(self, prepare: Callable[[Progress], Load], way: str | None, wait: bool) -> None:
        with self._lock:
            if self.changing or self.state == "loading":
                raise WeightsError("Weights are being loaded already.", field="base", cure="Try again when they are.")
            self.changing, self.refused = True, None
        if wait:
            self._change(prepare, way)
        else:
            threading.Thread(target=self._change, args=(prepare, way), name="other weights", daemon=True).start()

    def _change(self, prepare: Callable[[Progress], Load], way: str | None) -> None:
        """way: one of the `ways`, which stay; None for other weights, which have but one."""
        before, ways, old = self._load, self.ways, self.way
        try:
            load = prepare(self._downloading)
            while self.engine is not None and self.engine.waiting:
                time.sleep(PATIENCE)
            self._load, self.way = load, way or old
            self.ways = {old: load} if way is None else ways
            self._reload()
            if self.error is not None:
                self.refused, self._load, self.ways, self.way = self.error, before, ways, old
                self._reload()
        except InstantIDError as error:
            self.refused = error
        except Exception:
            log.exception("Other weights could not be prepared.")
            self.refused = WeightsError("These weights could not be read.", field="base", cure="Choose others.")
        finally:
            self.download = None
            self.changing = False

    def _reload(self) -> None:
        """The old engine goes first: memory may not hold two."""
        with self._lock:
            self.engine, self._started = None, False
        self.start(wait=True)

    def settled(self, seconds: float) -> bool:
        """Waits at most so long; whether loading has come to an end, good or bad."""
        return self._settled.wait(seconds)

    def require(self) -> Engine:
        """The engine. Raises the error of the failed loading, or WeightsError while it is still under way."""
        if self.engine is not None:
            return self.engine
        raise self.error or WeightsError("The weights are still being loaded.", cure="Try again in a moment.")

    def _downloading(self, file: str, there: int, total: int | None) -> None:
        self.download = (file, there, total)

    def _run(self) -> None:
        try:
            self.engine = self._load(self._downloading)
        except InstantIDError as error:
            self.error = error
            log.error("The weights could not be loaded: %s", error)
        except Exception as error:
            self.error = WeightsError(
                f"The weights could not be loaded ({type(error).__name__}).",
                cure="Run “python cli.py doctor”: it names what is missing. The log has the details.",
            )
            log.exception("The weights could not be loaded.")
        finally:
            self.download = None
            with self._lock:
                self._started = self.engine is not None
            self._settled.set()
