"""A PostgreSQL of the tests' own: Debian's server in a folder that is thrown away, reached by a socket in it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SETTINGS = {"listen_addresses": "", "fsync": "off", "synchronous_commit": "off", "shared_buffers": "16MB"}


def programs() -> Path:
    """The folder of initdb and pg_ctl: on the PATH, or where Debian lays them."""
    found = [Path(path).parent for path in [shutil.which("pg_ctl")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    assert found, "these tests want a PostgreSQL server: apt-get install postgresql"
    return found[0]


@contextmanager
def running() -> Iterator[str]:
    """The address of a database on a fresh server, which refuses root: that steps down to Debian's user postgres."""
    bin_folder = programs()
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    if user:
        shutil.chown(folder, user)

    def run(program: str, *arguments: str) -> None:
        command = [str(bin_folder / program), "-D", str(folder / "data"), *arguments]
        done = subprocess.run(command, user=user, cwd="/", text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout

    try:
        run("initdb", "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
        options = " ".join(f"-c {name}={value or repr('')}" for name, value in SETTINGS.items())
        # the server keeps its standard streams: its output goes to a file, or the wait for pg_ctl never ends
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", f"{options} -k {folder}", "start")
        try:
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
