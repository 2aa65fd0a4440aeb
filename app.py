"""The app: settings, page, HTTP service, weights in the background. `python app.py --help` lists the options."""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import socket
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("DIFFUSERS_DISABLE_REMOTE_CODE", "1")

from api.logs import to_stderr
from errors import InstantIDError, RequestError
from generation.settings import Settings, on_zero_gpu
from style_presets import STYLES, load_styles

if TYPE_CHECKING:
    import gradio as gr

    from api.service import Service
    from generation.background import EngineRoom
    from weights.registry import Profile

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
    parser.add_argument("--mcp", action="store_true", default=None, help="offer language models a tool over MCP")
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="ask for a user and a password; several with commas")
    parser.add_argument("--models-dir", metavar="FOLDER", help="where downloaded weights lie")
    parser.add_argument("--offline", action="store_true", default=None, help="never reach for the network")
    parser.add_argument("--device", help="auto, cpu, cuda, cuda:1 or mps; with OpenVINO CPU, GPU, NPU or AUTO")
    parser.add_argument("--backend", help="torch or openvino")
    parser.add_argument("--precision", help="of OpenVINO's weights: auto, fp16, int8, hybrid, int4 or fp32")
    parser.add_argument("--base", metavar="CHECKPOINT", help="SDXL checkpoint: file.safetensors or owner/repository")
    parser.add_argument("--vae", metavar="DECODER", help="own, or owner/repository")
    parser.add_argument("--adapter", metavar="FILE", help="face adapter, as training writes it")
    parser.add_argument("--identity-net", metavar="FOLDER", help="IdentityNet, as training writes it")
    parser.add_argument(
        "--choose-base",
        action="store_true",
        default=None,
        help="let the page load other bases and backends, for all its visitors",
    )
    parser.add_argument("--styles", metavar="FILE", help="JSON file with styles of your own")
    chosen = vars(parser.parse_args(arguments))
    if "SPACE_ID" in os.environ and "INSTANTID_HOST" not in os.environ and chosen["host"] is None:
        chosen["host"] = "0.0.0.0"
    return Settings.from_environment(**chosen)


def require_mcp() -> None:
    """Raises RequestError when the package that speaks MCP is not installed."""
    if importlib.util.find_spec("mcp") is None:
        raise RequestError(
            "The package mcp is not installed.",
            field="mcp",
            cure="Run: pip install -r requirements-serve.txt -c constraints.txt",
        )


def profile_of(settings: Settings) -> Profile:
    """The profile whose sizes and defaults the page has: that of SDXL for a base of one's own beside drawn people."""
    from generation.loading import pick_profile
    from weights.registry import PROFILES

    profile = pick_profile(settings.profile)
    return PROFILES["sdxl"] if settings.base is not None and not profile.half_precision else profile


def build(settings: Settings, files: Path) -> tuple[gr.Blocks, EngineRoom, Service]:
    """The page, the room whose weights it waits for, and the HTTP service. `files` is a folder that gradio serves."""
    if on_zero_gpu():
        import spaces  # noqa: F401  it patches torch and has to come before it

    from api.assembly import open_service
    from api.settings import ServiceSettings
    from api.tool import generate_tool
    from generation.background import EngineRoom
    from ui.accelerator import accelerated
    from ui.base import Bases
    from ui.runs_on import ways_of
    from ui.studio import build_page

    styles = STYLES if settings.styles is None else load_styles(settings.styles)
    profile = profile_of(settings)
    room = EngineRoom(*ways_of(profile, settings))
    # the drawn people have one base alone
    bases = Bases(room, profile, settings) if settings.choose_base and not profile.drawn else None
    of_service = ServiceSettings.from_environment()
    if settings.auth:
        of_service = replace(of_service, require_key=True)
    if not settings.share:
        of_service = of_service.listening_on(settings.host)
    service = open_service(settings, of_service, room, profile, styles=styles, generate=accelerated(room))
    # callers of the tool give no key: it is there where none is asked for, or where the page asks who they are
    tools = () if of_service.api_keys and not settings.auth else (generate_tool(service),)
    return build_page(room, profile, files, styles, bases, tools), room, service


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


def launch(page: gr.Blocks, room: EngineRoom, service: Service, settings: Settings) -> str:
    """Serves page and service in a thread of its own and returns their address; then the weights are loaded."""
    from gradio.route_utils import CustomCORSMiddleware
    from starlette.middleware import Middleware

    from api.application import Beside, create_api
    from ui.theme import ICON, STYLE_SHEET, studio_theme

    # ZeroGPU takes over what is on the GPU when the page is launched. Elsewhere the page comes first.
    if on_zero_gpu():
        room.start(wait=True)
    served, address, _ = page.launch(
        server_name=settings.host,
        server_port=settings.port,
        share=settings.share,
        app_kwargs={"middleware": [Middleware(Beside, api=create_api(service), settings=service.settings)]},
        mcp_server=settings.mcp,
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
    # Gradio's own answers to other origins come before anything of ours: none to a listed one, or the same to all.
    served.user_middleware = [one for one in served.user_middleware if one.cls is not CustomCORSMiddleware]
    served.middleware_stack = served.build_middleware_stack()
    room.start()
    service.start()
    return address


def main(arguments: list[str]) -> int:
    to_stderr()
    # Ended like Ctrl-C, so that the folder of uploads and results goes too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings = read_settings(arguments)
        require_free(settings.host, settings.port)
        if settings.mcp:
            require_mcp()
        with tempfile.TemporaryDirectory(prefix="instantid-") as files:
            os.environ["GRADIO_TEMP_DIR"] = files
            page, room, service = build(settings, Path(files))
            try:
                print(f"{PRODUCT}: {launch(page, room, service, settings)}", flush=True)
                page.block_thread()
            finally:
                service.stop()
    except InstantIDError as error:
        print(f"app.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
