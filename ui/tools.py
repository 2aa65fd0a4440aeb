"""Functions that gradio's own clients and language models call: the page's side of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any

from gradio.data_classes import FileData

from ui.making import as_shown
from ui.results import ResultFolder
from ui.session import Session

META = {"_type": "gradio.FileData"}


def as_endpoint(tool: Callable[..., bytes], folder: ResultFolder) -> Callable[..., Any]:
    """The function as gradio wants it: a file for the PNG that it makes, and errors that reach their caller.

    The file lies as long as other results do, in a folder of its own whose name cannot be guessed.
    """

    @wraps(tool)
    def endpoint(*args: Any, **kwargs: Any) -> Any:
        try:
            picture = tool(*args, **kwargs)
            path = folder.of(Session()) / "picture.png"
            path.write_bytes(picture)
        except Exception as error:
            raise as_shown(error) from None
        return {"path": str(path), "url": None, "orig_name": path.name, "mime_type": "image/png", "meta": META}

    # gradio asks the function itself for its types
    endpoint.__dict__.pop("__wrapped__")
    endpoint.__dict__["__signature__"] = signature(tool, eval_str=True).replace(return_annotation=FileData)
    endpoint.__annotations__ = {**tool.__annotations__, "return": FileData}
    return endpoint
