"""Bodies of requests while they arrive: how long they may be and take, and how many bytes of them are held at once."""

from __future__ import annotations

import asyncio
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.failures import answer
from errors import InstantIDError, QueueFull, TooLarge, TooSlow


class Bodies:
    """What one application holds of bodies.

    Args:
        longest: bytes of one body.
        together: bytes of all bodies that arrive or are worked on at once.
        seconds: from a body's first byte to its last.
        cure: what the sender of a body that is too long should do.
    """

    def __init__(self, longest: int, together: int, seconds: float, cure: str) -> None:
        self._longest = longest
        self._together = max(together, longest)
        self._seconds = seconds
        self._cure = cure
        self._held = 0

    async def serve(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application on a request whose body is counted. What it answers to one that was broken off is
        replaced by the reason."""
        body = Body(self)
        try:
            body.announced(scope)
        except InstantIDError as error:
            await answer(error, headers={"Connection": "close"})(scope, receive, send)
            return
        scope.setdefault("state", {})["body"] = body
        began = False

        async def counted() -> Message:
            return await body.more(receive)

        async def answered(message: Message) -> None:
            nonlocal began
            if body.refused is None or began:
                began = True
                await send(message)

        try:
            await app(scope, counted, answered)
        except Exception:
            if body.refused is None or began:
                raise
        finally:
            body.over()
        if body.refused is not None and not began:
            await answer(body.refused, headers={"Connection": "close"})(scope, receive, send)

    def take(self, seen: int, held: int) -> None:
        """Room for a body of which `seen` bytes are known, `held` of them counted before.

        Raises TooLarge, QueueFull.
        """
        if seen > self._longest:
            raise TooLarge(f"The request is larger than {self._longest / 2**20:.3g} MB.", cure=self._cure)
        if self._held + seen - held > self._together:
            raise QueueFull("Too many requests are being received.", cure="Try again later.")
        self._held += seen - held

    def give(self, held: int) -> None:
        self._held -= held

    @property
    def seconds(self) -> float:
        return self._seconds


class Body:
    """One request's body. refused: why it was broken off, None while it was not."""

    def __init__(self, bodies: Bodies) -> None:
        self.refused: InstantIDError | None = None
        self._bodies = bodies
        self._seen = self._held = 0
        self._until: float | None = None
        self._whole = False

    def announced(self, scope: Scope) -> None:
        """Raises TooLarge, QueueFull by the length in the header."""
        for key, value in scope["headers"]:
            if key.lower() == b"content-length":
                # h11 and httptools let digits alone through
                self._take(int(value[:20]) if value.isdigit() else 2**63)

    async def more(self, receive: Receive) -> Message:
        """The next message. Raises TooLarge, TooSlow, QueueFull."""
        if self.refused is not None:
            raise self.refused
        if self._whole:
            return await receive()
        if self._until is None:
            self._until = time.monotonic() + self._bodies.seconds
        try:
            message = await asyncio.wait_for(receive(), max(0.0, self._until - time.monotonic()))
            if message["type"] == "http.request":
                self._seen += len(message.get("body", b""))
                self._whole = not message.get("more_body", False)
                self._take(self._seen)
        except TimeoutError:
            self.refused = TooSlow(
                f"The request did not arrive within {self._bodies.seconds:g} seconds.", cure="Send less at once."
            )
            raise self.refused from None
        except InstantIDError as error:
            self.refused = error
            raise
        return message

    def over(self) -> None:
        """Nothing of it is held any more."""
        self._bodies.give(self._held)
        self._held = 0

    def _take(self, seen: int) -> None:
        if seen > self._held:
            self._bodies.take(seen, self._held)
            self._held = seen
