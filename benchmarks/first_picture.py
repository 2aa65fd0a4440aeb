"""From a cold start to the first picture, through a real browser: `python benchmarks/first_picture.py [--repeat 3]`.

Each round starts the app in a process of its own with the miniature and prints the seconds to an answering page, to
loaded weights, from the click to the first preview and from the click to the finished picture, and at the end the
medians with their share of the limits that the project set itself: 20 s to a usable page, 8 s a picture, two cores.
"""

import argparse
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
LIMITS = {"usable page": 20.0, "picture": 8.0}
PATIENCE = 180


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def one_round(chromium: Any) -> dict[str, float]:
    """Seconds by name, of one app from start to end."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    began = time.monotonic()
    app = subprocess.Popen(
        [sys.executable, "app.py", "--profile", "miniature", "--port", str(port)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    try:
        while not answers(address):
            if app.poll() is not None or time.monotonic() - began > PATIENCE:
                raise SystemExit("The app did not start.")
            time.sleep(0.05)
        seconds = {"answer": time.monotonic() - began}
        page = chromium.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(address)
        page.wait_for_selector("#make:enabled")
        seconds["usable page"] = time.monotonic() - began
        page.wait_for_selector(".weights.ready")
        seconds["weights loaded"] = time.monotonic() - began
        clicked = time.monotonic()
        page.locator(".example").first.click()
        page.wait_for_selector(".stage.working img[alt^=Unfinished]")
        seconds["first preview"] = time.monotonic() - clicked
        page.wait_for_selector(".stage.done")
        seconds["picture"] = time.monotonic() - clicked
        page.close()
        return seconds
    finally:
        app.terminate()
        app.wait(PATIENCE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        raise SystemExit("No chromium was found.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        rounds = [one_round(chromium) for _ in range(repeat)]
        chromium.close()
    for name in rounds[0]:
        values = [seconds[name] for seconds in rounds]
        middle = statistics.median(values)
        share = f"   {middle / LIMITS[name]:.2f} of {LIMITS[name]:.0f} s" if name in LIMITS else ""
        print(f"{name:<16}{middle:7.2f} s   ({', '.join(f'{value:.2f}' for value in values)}){share}")


if __name__ == "__main__":
    main()
