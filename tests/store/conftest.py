"""Every test of the store runs on SQLite and on a real PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from api.store import JobStore
from tests import postgresql


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with postgresql.running() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database that holds nothing yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.db'}"
    address = request.getfixturevalue("server")
    admin = create_engine(address.replace("postgresql:", "postgresql+psycopg:"))
    with admin.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    admin.dispose()
    return address


@pytest.fixture
def store(address: str) -> Iterator[JobStore]:
    opened = JobStore(address)
    yield opened
    opened.close()
