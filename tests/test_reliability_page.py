"""docs/RELIABILITY.md names tests; a promise whose proof is gone is none."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROOFS = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "RELIABILITY.md").read_text())


def test_the_page_names_proofs() -> None:
    rows = [line for line in (ROOT / "docs" / "RELIABILITY.md").read_text().splitlines() if re.match(r"\| \d", line)]
    assert len(rows) >= 20
    assert all("tests/" in row for row in rows)


@pytest.mark.parametrize(("file", "name"), sorted(set(PROOFS)), ids=lambda part: part)
def test_every_named_test_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
