"""Uploads on their way from gradio's folder into memory; none of them stays on the disk."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from errors import PhotoError

REMEMBERED_SECONDS = 60.0
ABANDONED_SECONDS = 600.0


class Inbox:
    """Takes uploaded files. gradio names their folders by content, so visitors who send one photo share its path:
    what was just taken is remembered for a minute, for the visitor whose file another one took along.

    root: gradio's folder of uploads.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._taken: dict[Path, tuple[float, bytes]] = {}

    def take(self, path: str | os.PathLike[str], *, field: str = "photo") -> bytes:
        """The content of an uploaded file, which is deleted. Raises PhotoError when it is not there."""
        path = Path(path)
        with self._lock:
            self._forget(REMEMBERED_SECONDS)
            try:
                data = path.read_bytes()
                path.unlink()
            except FileNotFoundError:
                if path not in self._taken:
                    raise PhotoError("The upload is gone.", field=field, cure="Upload the file again.") from None
                data = self._taken[path][1]
            self._taken[path] = (time.monotonic(), data)
            return data

    def sweep(self, remembered: float = REMEMBERED_SECONDS, abandoned: float = ABANDONED_SECONDS) -> None:
        """Forgets what was taken, with its folder (a fingerprint of the photo is its name), and deletes uploads that
        broke off. Ages in seconds."""
        with self._lock:
            self._forget(remembered)
        now = time.time()
        for torso in self._root.glob("tmp*"):
            if torso.is_file() and now - torso.stat().st_mtime > abandoned:
                torso.unlink(missing_ok=True)

    def _forget(self, seconds: float) -> None:
        for path, (since, _) in list(self._taken.items()):
            if time.monotonic() - since > seconds:
                del self._taken[path]
                if path.parent != self._root and path.parent.exists() and not any(path.parent.iterdir()):
                    path.parent.rmdir()
