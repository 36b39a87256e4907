"""A PostgreSQL server of one's own, in a temporary folder, reached through a socket in it: no port, no password."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

USER = "postgres"


def command(name: str) -> str | None:
    """Where a command of the server is: Debian keeps them off the PATH, one folder for each version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return shutil.which(name) or (str(found[-1]) if found else None)


@contextlib.contextmanager
def running() -> Iterator[str]:
    """The URL of a server that runs inside the block. It refuses root, so root starts it as the user of the package."""
    as_user = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # short: the name of a socket has at most 107 signs
    data = folder / "data"
    if as_user:
        shutil.chown(folder, USER)
    initdb, postgres = command("initdb"), command("postgres")
    assert initdb is not None
    assert postgres is not None
    server = None
    try:
        made = [*as_user, initdb, "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(made, check=True, capture_output=True, cwd=folder)
        start = [postgres, "-D", str(data), "-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off"]
        server = subprocess.Popen([*as_user, *start], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
        yield f"postgresql://{USER}@/{_ready(folder, server)}?host={folder}"
    finally:
        if server is not None:
            stop = [*as_user, command("pg_ctl") or "pg_ctl", "stop", "-D", str(data), "-m", "immediate"]
            subprocess.run(stop, check=False, capture_output=True, cwd=folder)
            server.wait(30)
        shutil.rmtree(folder)


def _ready(folder: Path, server: subprocess.Popen[bytes]) -> str:
    """The name of its database, once it answers."""
    import psycopg

    until = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(host=str(folder), user=USER, dbname="postgres").close()
            return "postgres"
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.1)
