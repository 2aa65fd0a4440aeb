"""One at a time, in the order of arrival. A plain lock promises no order and cannot tell how many are ahead."""

import threading
from collections import deque


class Turns:
    """The queue in front of something that serves one at a time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[Turn] = deque()

    def join(self) -> "Turn":
        """Take the last place."""
        turn = Turn(self)
        with self._changed:
            self._queue.append(turn)
        return turn

    def __len__(self) -> int:
        return len(self._queue)


class Turn:
    """A place in the queue. It must be left, whatever happens; leaving twice does no harm."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    @property
    def ahead(self) -> int:
        """How many are served or wait before this one; 0 when it is this one's turn."""
        with self._turns._changed:
            return self._turns._queue.index(self)

    def wait(self, seconds: float) -> bool:
        """Wait for the turn at most so long; whether it came."""
        with self._turns._changed:
            return self._turns._changed.wait_for(lambda: self._turns._queue[0] is self, seconds)

    def leave(self) -> None:
        with self._turns._changed:
            if self in self._turns._queue:
                self._turns._queue.remove(self)
                self._turns._changed.notify_all()
