"""The app as a visitor meets it: its own process, the shipped miniature, a real browser."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.browser import chromium
from ui.followed import kinds_of
from weights.registry import PROFILES

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "assets" / "examples"
NETS = {"canny", "depth"} <= set(kinds_of(PROFILES["miniature"]))
"""Whether the miniature comes with ControlNets; random ones stand in for them otherwise."""

PATIENCE = 180
"""Seconds for things that take one or two on a quiet machine."""


@dataclass(frozen=True)
class Served:
    """A running app. `files` is the folder that holds its uploads and results, `log` what it has printed."""

    address: str
    files: Path
    log: Path
    seconds_to_page: float


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    log = folder / "log.txt"
    environment = {
        **os.environ,
        "TMPDIR": str(folder),
        "HF_HUB_OFFLINE": "1",
        "INSTANTID_JOBS": f"sqlite:///{folder}/jobs.db",
    }
    began = time.monotonic()
    command = ["app.py"] if NETS else ["tests/ui/serve_with_nets.py", str(folder / "nets")]
    with log.open("w") as output:
        app = subprocess.Popen(
            [sys.executable, *command, "--profile", "miniature", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        while not _answers(address):
            assert app.poll() is None, log.read_text()
            assert time.monotonic() - began < PATIENCE, log.read_text()
            time.sleep(0.2)
        yield Served(address, folder, log, time.monotonic() - began)
    finally:
        app.terminate()
        app.wait(PATIENCE)
    assert not list(folder.glob("instantid-*")), "uploads and results go with the app"


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


@pytest.fixture(scope="session")
def browser() -> Iterator:
    with chromium() as running:
        yield running


@pytest.fixture
def page(served: Served, browser) -> Iterator:
    """A fresh visit at desktop width, weights loaded. Fails when the page's own scripts fail or it calls outside."""
    yield from visit(served, browser, {"width": 1440, "height": 900})


@pytest.fixture
def phone(served: Served, browser) -> Iterator:
    """The same at 390 px, with a touch screen."""
    yield from visit(served, browser, {"width": 390, "height": 844}, has_touch=True, is_mobile=True)


@pytest.fixture(params=["light", "dark"])
def lit(served: Served, browser, request: pytest.FixtureRequest) -> Iterator:
    """A fresh visit at desktop width, in either colour scheme."""
    yield from visit(served, browser, {"width": 1440, "height": 900}, color_scheme=request.param)


def visit(served: Served, browser, viewport: dict[str, int], **options) -> Iterator:
    context = browser.new_context(viewport=viewport, accept_downloads=True, **options)
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    broken: list[str] = []
    outside: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on("request", lambda request: outside.append(request.url) if _is_outside(request.url, served) else None)
    page.goto(served.address)
    page.wait_for_selector(".weights.ready")
    yield page
    context.close()
    assert broken == []
    assert outside == []


def _is_outside(url: str, served: Served) -> bool:
    return not url.startswith((served.address, "data:", "blob:"))
