"""The command line: one typer app, one function a command. Errors are one line on stderr and exit code 2."""

from __future__ import annotations

import sys

import typer
from typer.exceptions import TyperException

from commands import serve, training
from commands.evaluate import evaluate
from commands.generate import generate
from commands.openvino import app as openvino
from commands.template import app as template
from commands.weights import doctor, download
from errors import InstantIDError

app = typer.Typer(
    help="Pictures of one person from a single photo.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (doctor, download, generate, evaluate):
    app.command()(command)
app.add_typer(template, name="template")
app.command()(serve.serve)
app.command("api-key")(serve.api_key)
app.add_typer(openvino, name="openvino")
app.command("prepare-data")(training.prepare_data)
app.command()(training.train)
app.command()(training.distil)


def main() -> None:
    """Runs a command; an error that the user can cure is one line and exit code 2."""
    try:
        sys.exit(app(prog_name="cli.py", standalone_mode=False))
    except InstantIDError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except TyperException as error:
        if told := _in_one_line(error):  # without a command the help was printed, and nothing is left to tell
            print(f"error: {told}", file=sys.stderr)
        sys.exit(2)
    except typer.Abort:
        print("Aborted.", file=sys.stderr)
        sys.exit(1)


def _in_one_line(error: TyperException) -> str:
    """What is wrong with a command line, and where its options are explained."""
    context = getattr(error, "ctx", None)
    told = " ".join(error.format_message().split())
    if context is None or not told:
        return told
    return f"{told}{'' if told[-1] in '.?!' else '.'} Try: {context.command_path} --help"


if __name__ == "__main__":
    main()
