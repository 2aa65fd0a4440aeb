"""Requests made up from the OpenAPI schema: whatever is sent, the answer is never a 5xx that nobody meant."""

from collections import Counter
from typing import Any

import hypothesis
import schemathesis

from tests.proof.conftest import PHOTO, Served

EXAMPLES = 15
"""Made-up requests for each operation."""
MEANT = (503, 504, 507)


def test_no_request_of_the_schema_breaks_the_service(served: Served) -> None:
    schema = schemathesis.openapi.from_url(served.address + "/api/v1/openapi.json")
    seen: Counter[tuple[str, int]] = Counter()
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= 10
    for operation in operations:
        _ask(operation, seen)
    statuses = {status for _, status in seen}
    assert {200, 404, 422} <= statuses, seen
    # some were good enough to be made, or to wait until their second was over
    assert {status for label, status in seen if "/generate" in label} & {200, 202, 504}, seen
    with served.client() as client:
        assert client.get("/healthz").status_code == 200


def _ask(operation: Any, seen: Counter[tuple[str, int]]) -> None:
    @hypothesis.settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    @hypothesis.seed(1)
    @hypothesis.given(case=operation.as_strategy(), real=hypothesis.strategies.booleans())
    def ask(case: schemathesis.Case, real: bool) -> None:
        if real and isinstance(case.body, dict):
            # half of the bodies carry a real photo, or nothing behind the first check would be reached
            case.body = {**case.body, **_photos(case.body)}
        if operation.method == "post" and "/generate" in operation.path:
            case.query = {**(case.query or {}), "deadline": "1"}
        try:
            answer = case.call(timeout=60)
        except (ValueError, UnicodeError):
            # no client could send it
            return
        seen[operation.label, answer.status_code] += 1
        assert answer.status_code < 500 or answer.status_code in MEANT, (case.as_curl_command(), answer.text)

    ask()


def _photos(body: dict) -> dict:
    return {name: [PHOTO] for name in ("photos", "face_image") if name in body}
