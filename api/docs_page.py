"""The OpenAPI page: Swagger UI from an installed package, so that a browser fetches nothing from elsewhere."""

from __future__ import annotations

from functools import cache
from importlib import resources

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from errors import NotThere

router = APIRouter(prefix="/api/v1/docs", include_in_schema=False)

PACKAGE = "fastapi_swagger"
"""It carries Swagger UI's files and nothing more is taken of it."""

TYPES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
    "start.js": "text/javascript",
}
START = b"""SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
});
"""
# Addresses are relative, so that they hold behind a proxy that puts a folder in front.
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>InstantID studio: the HTTP service</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
POLICY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@router.get("")
def page() -> HTMLResponse:
    """Every operation with its fields, to be read and tried."""
    return HTMLResponse(PAGE, headers=POLICY)


@router.get("/{name}")
def file(name: str) -> Response:
    """Raises NotThere."""
    if name not in TYPES:
        raise NotThere("There is no such file.", cure="The page is at /api/v1/docs.")
    return Response(content_of(name), media_type=TYPES[name], headers={**POLICY, "Cache-Control": "max-age=3600"})


@cache
def content_of(name: str) -> bytes:
    """name: one of `TYPES`."""
    return START if name == "start.js" else (resources.files(PACKAGE) / "resources" / name).read_bytes()
