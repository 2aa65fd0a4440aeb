"""The app: settings, page, weights in the background. `python app.py --help` lists the options."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("DIFFUSERS_DISABLE_REMOTE_CODE", "1")

from errors import InstantIDError, RequestError
from generation.settings import Settings, on_zero_gpu
from style_presets import STYLES, load_styles

if TYPE_CHECKING:
    import gradio as gr

    from generation.background import EngineRoom

PRODUCT = "InstantID studio"
MAX_UPLOAD = "40mb"


class Options(argparse.ArgumentParser):
    """A parser whose refusals are an error like every other."""

    def error(self, message: str) -> NoReturn:
        raise RequestError(f"{message.rstrip('.').capitalize()}.", cure="Try: app.py --help")


def read_settings(arguments: list[str]) -> Settings:
    """Command line over environment over defaults. Raises RequestError."""
    parser = Options(description="Pictures of one person from a single photo, in the browser.")
    parser.add_argument("--profile", help="weights: auto, miniature, sdxl, yamermix or realvisxl")
    parser.add_argument("--host", help="address to listen on; 0.0.0.0 for every network")
    parser.add_argument("--port", type=int)
    parser.add_argument("--share", action="store_true", default=None, help="open a public link through gradio")
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="ask for a user and a password; several with commas")
    parser.add_argument("--models-dir", metavar="FOLDER", help="where downloaded weights lie")
    parser.add_argument("--offline", action="store_true", default=None, help="never reach for the network")
    parser.add_argument("--device", help="auto, cpu, cuda, cuda:1 or mps; with OpenVINO CPU, GPU, NPU or AUTO")
    parser.add_argument("--backend", help="torch or openvino")
    parser.add_argument("--precision", help="of OpenVINO's weights: auto, fp16, int8, hybrid, int4 or fp32")
    parser.add_argument("--base", metavar="CHECKPOINT", help="SDXL checkpoint: file.safetensors or owner/repository")
    parser.add_argument("--vae", metavar="DECODER", help="own, or owner/repository")
    parser.add_argument(
        "--choose-base", action="store_true", default=None, help="let the page load other bases, for all its visitors"
    )
    parser.add_argument("--styles", metavar="FILE", help="JSON file with styles of your own")
    chosen = vars(parser.parse_args(arguments))
    if "SPACE_ID" in os.environ and "INSTANTID_HOST" not in os.environ and chosen["host"] is None:
        chosen["host"] = "0.0.0.0"
    return Settings.from_environment(**chosen)


def build(settings: Settings, files: Path) -> tuple[gr.Blocks, EngineRoom]:
    """The page and the room whose weights it waits for. `files` is a folder that gradio serves."""
    if on_zero_gpu():
        import spaces  # noqa: F401  it patches torch and has to come before it

    from generation.background import EngineRoom
    from generation.loading import pick_profile
    from ui.base import Bases
    from ui.runs_on import ways_of
    from ui.studio import build_page

    styles = STYLES if settings.styles is None else load_styles(settings.styles)
    profile = pick_profile(settings.profile)
    room = EngineRoom(*ways_of(profile, settings))
    bases = Bases(room, profile, settings) if settings.choose_base else None
    return build_page(room, profile, files, styles, bases), room


def require_free(host: str, port: int) -> None:
    """Raises RequestError when the address cannot be listened on."""
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return
    except OSError as error:
        raise RequestError(
            f"Nothing can listen on {host}:{port} ({error.strerror or error}).",
            field="port",
            cure="Stop what is running there, or give another --port or --host.",
        ) from error


def launch(page: gr.Blocks, room: EngineRoom, settings: Settings) -> str:
    """Serves the page in a thread of its own and returns its address; then the weights are loaded."""
    from ui.theme import ICON, STYLE_SHEET, studio_theme

    # ZeroGPU takes over what is on the GPU when the page is launched. Elsewhere the page comes first.
    if on_zero_gpu():
        room.start(wait=True)
    _, address, _ = page.launch(
        server_name=settings.host,
        server_port=settings.port,
        share=settings.share,
        auth=list(settings.auth) or None,
        theme=studio_theme(),
        css_paths=STYLE_SHEET,
        favicon_path=ICON,
        footer_links=[],
        run_history=False,
        max_file_size=MAX_UPLOAD,
        ssr_mode=False,
        enable_monitoring=False,
        prevent_thread_lock=True,
        quiet=True,
    )
    room.start()
    return address


def main(arguments: list[str]) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # Ended like Ctrl-C, so that the folder of uploads and results goes too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings = read_settings(arguments)
        require_free(settings.host, settings.port)
        with tempfile.TemporaryDirectory(prefix="instantid-") as files:
            os.environ["GRADIO_TEMP_DIR"] = files
            page, room = build(settings, Path(files))
            print(f"{PRODUCT}: {launch(page, room, settings)}", flush=True)
            page.block_thread()
    except InstantIDError as error:
        print(f"app.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
