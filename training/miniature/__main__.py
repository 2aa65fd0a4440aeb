"""The miniature from nothing, one command a stage: ``python -m training.miniature STAGE --data DIR --out DIR``."""

import os
import sys

from errors import InstantIDError


def main() -> None:
    """Runs a stage; an error that the user can cure is one line and exit code 2."""
    # The libraries speak of torchvision at their import, in every process that a stage starts as well.
    for library in ("TRANSFORMERS", "DIFFUSERS"):
        os.environ.setdefault(f"{library}_VERBOSITY", "error")
    from transformers.utils import logging

    from training.miniature.stages import app

    logging.disable_progress_bar()

    try:
        app(prog_name="python -m training.miniature")
    except InstantIDError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
