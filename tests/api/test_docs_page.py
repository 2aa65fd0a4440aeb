"""The OpenAPI page in a real browser that can reach this machine alone."""

from tests.api.conftest import PATIENCE
from tests.browser import chromium

ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


def test_the_page_shows_every_operation_without_the_internet(serve) -> None:
    served = serve(worker=None)
    told = served.client.get("/api/v1/openapi.json").json()
    operations = sum(len(methods) for methods in told["paths"].values())
    asked: list[str] = []
    wrong: list[str] = []
    with chromium(ALONE) as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(f"{served.address}/api/v1/docs")
        page.wait_for_selector(".opblock")
        assert page.locator(".opblock").count() == operations >= 10
        # a key can be given for what is tried out
        page.wait_for_selector("button.authorize")
        page.locator(".opblock", has_text="/api/v1/generate-identity-body").locator("button").first.click()
        page.wait_for_selector(".opblock-body >> text=height_cm")
        # the style sheet is there: a block of a POST is green
        assert "rgb(73, 204, 144)" in page.locator(".opblock-post").first.evaluate(
            "block => getComputedStyle(block).borderTopColor"
        )
    assert [url for url in asked if not url.startswith((served.address, "data:"))] == []
    assert wrong == []


def test_nothing_else_is_served_beside_the_page(serve) -> None:
    client = serve(worker=None, require_key=True).client
    page = client.get("/api/v1/docs")
    assert page.status_code == 200
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    for name in ("main.py", "..%2F__init__.py", "%2E%2E/main.py", "start.js.map"):
        assert client.get(f"/api/v1/docs/{name}").status_code in (401, 404)
