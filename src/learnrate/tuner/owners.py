"""Who makes a run: one process on one machine, and whether it still lives.

A process id alone is not enough: ids are used again, and two containers may share a file and a host name. So an owner
also carries when its process started, and its machine is told by its boot and by its space of process ids.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import platform
import subprocess
import uuid
from pathlib import Path
from typing import Any

_OPEN: set[str] = set()
"""The tokens of the owners of this process that have not been closed."""


@dataclasses.dataclass(frozen=True)
class Owner:
    """A process that makes runs; `token` tells apart several of one process."""

    host: str
    pid: int
    started: str
    token: str

    @classmethod
    def here(cls) -> Owner:
        """A new owner in this process; it lives until `close`."""
        token = uuid.uuid4().hex[:12]
        _OPEN.add(token)
        return cls(machine(), os.getpid(), started(os.getpid()) or "", token)

    @classmethod
    def from_json(cls, data: Any) -> Owner | None:
        """The owner that plain data describes, or None for anything else."""
        try:
            return cls(str(data["host"]), int(data["pid"]), str(data["started"]), str(data["token"]))
        except (TypeError, KeyError, ValueError):
            return None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return dataclasses.asdict(self)

    def close(self) -> None:
        """From now on it counts as gone."""
        _OPEN.discard(self.token)

    def lives(self) -> bool | None:
        """Whether it does; None when that cannot be seen from here, because it is on another machine."""
        if self.host != machine():
            return None
        if self.pid == os.getpid() and self.started == (started(self.pid) or ""):
            return self.token in _OPEN
        now = started(self.pid)
        return None if now is None else bool(now) and now == self.started


@functools.cache
def machine() -> str:
    """The name of this machine, until it is booted again; a container has one of its own."""
    parts = [platform.node() or "unnamed"]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:13])
    with contextlib.suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return " ".join(parts)


def started(pid: int) -> str | None:
    """When the process with this id started, in the system's own words; "" when there is none, None when unknowable."""
    if os.name != "posix":  # elsewhere signal 0 is a real one
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except (OSError, OverflowError):
        pass  # it is there, and belongs to someone else
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _asked_of_ps(pid)
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return "" if fields[0] in "ZX" else fields[19]


def _asked_of_ps(pid: int) -> str | None:
    try:
        said = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},  # the same words for whoever asks
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    state, _, since = said.stdout.strip().partition(" ")
    if not since:
        return None
    return "" if state[0] in "ZX" else since.strip()
