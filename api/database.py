"""The store's tables, and its connections: SQLite for one machine, PostgreSQL for several."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, ProgrammingError

from errors import RequestError, StoreUnavailable

log = logging.getLogger(__name__)

BUSY_SECONDS = 20
LOCK = 0x1D57D10
"""Number of the PostgreSQL advisory lock under which jobs enter the queue and tables are made."""

TABLES = MetaData()

jobs = Table(
    "jobs",
    TABLES,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("owner", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("key", Text),
    Column("fingerprint", Text),
    Column("state", Text, nullable=False),
    Column("changed", Integer, nullable=False, default=0),
    Column("step", Integer, nullable=False, default=0),
    Column("total", Integer, nullable=False, default=0),
    Column("seconds_left", Float(53)),
    Column("created", Float(53), nullable=False),
    Column("started", Float(53)),
    Column("finished", Float(53)),
    Column("deadline", Float(53)),
    Column("worker", Text),
    Column("lease", Float(53)),
    Column("lease_until", Float(53)),
    Column("code", Text),
    Column("message", Text),
    Column("result", Text),
    Column("images", Integer, nullable=False, default=0),
    UniqueConstraint("owner", "key"),
    Index("jobs_by_state", "state", "number"),
    sqlite_autoincrement=True,
)

pictures = Table(
    "job_pictures",
    TABLES,
    Column("job", Integer, ForeignKey("jobs.number"), primary_key=True, autoincrement=False),
    Column("role", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, default=""),
    Column("data", LargeBinary, nullable=False),
)
"""role: "photo" (of the request), "preview" (number 0) or "image" (of the result)."""


class Database:
    """A store's engine. Every transaction is either a reading or a writing one.

    Args:
        address: `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://user:password@host/name`.

    Raises RequestError when the address has no meaning here, StoreUnavailable when there is nothing behind it.
    """

    def __init__(self, address: str) -> None:
        url = _checked(address)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.address = url.render_as_string(hide_password=True)
        try:
            self._engine = _sqlite(url) if self.is_sqlite else _postgresql(url)
        except OSError as error:
            raise StoreUnavailable(
                f"The job store {self.address} cannot be made: {error.strerror}.", field="jobs"
            ) from error
        with self.writing() as connection:
            self.lock(connection)
            TABLES.create_all(connection)

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """A transaction that sees one moment and changes nothing."""
        with self._told(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Generator[Connection]:
        """A transaction that takes effect as a whole or not at all; on SQLite no other writes meanwhile."""
        with self._told(), self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def lock(self, connection: Connection) -> None:
        """Until the transaction ends, no other that asked for the lock goes on."""
        if not self.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})

    def now(self, connection: Connection) -> float:
        """Seconds since 1970, by a clock that all users of the store share."""
        if self.is_sqlite:
            return time.time()
        return float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())

    def forget(self) -> None:
        """What was deleted leaves SQLite's log too; the database file itself is overwritten at once (secure_delete)."""
        if self.is_sqlite:
            with self._told():
                connection = self._engine.raw_connection()
                try:
                    connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                finally:
                    connection.close()

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _told(self) -> Generator[None]:
        try:
            yield
        except (DataError, IntegrityError, ProgrammingError):
            raise
        except DBAPIError as error:
            log.warning("the job store failed: %s", error.orig)
            raise StoreUnavailable("The job store does not answer.", cure="Try again in a moment.") from error


def _checked(address: str) -> URL:
    try:
        url = make_url(address)
    except ArgumentError:
        url = None
    if url is not None and url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        return url
    if url is not None and url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    raise RequestError(
        "The address of the job store has no meaning.",
        field="jobs",
        cure="Write sqlite:///jobs.db (a file) or postgresql://user:password@host/database.",
    )


def _postgresql(url: URL) -> Engine:
    try:
        return create_engine(url, pool_pre_ping=True, hide_parameters=True)
    except ModuleNotFoundError as error:
        raise RequestError(
            "The driver of PostgreSQL is not installed.",
            field="jobs",
            cure="Run pip install -r requirements-serve.txt -c constraints.txt.",
        ) from error


def _sqlite(url: URL) -> Engine:
    path = Path(str(url.database))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # SQLite gives its log and its shared memory the rights of the database file
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS, "isolation_level": None})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        for pragma in (
            f"busy_timeout = {BUSY_SECONDS * 1000}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "secure_delete = ON",
            "temp_store = MEMORY",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # a transaction that reads first and writes later is refused when another wrote between: writers say so at once
        if connection.get_execution_options().get("writes"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("BEGIN")

    return engine
