"""Worker processes: fresh interpreters that are sent values and answer with values.

A worker is started with `python -c`, so it never runs the script that started it, and needs no `__main__` guard there.
It has one thread for arithmetic unless told otherwise, does not hear Ctrl-C (whoever started it does, and sends it
away), and what is printed in it goes to standard error. It leaves when its parent closes the pipe or is gone, however
that came about.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..errors import UsageError

PATIENCE = 2.0
"""Seconds that a worker is given to leave by itself."""

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); from {0} import begin; begin()"
_SIZE = struct.Struct("!Q")
_COMMANDS, _MESSAGES, _ERRORS = 0, 1, 2  # a worker is born with its pipes where others have a terminal
_CUT = -1  # the number of a pipe that is closed
_END = None  # what a pipe gives when its other side is gone

Inbox = queue.SimpleQueue[tuple["Worker", Any]]
"""What workers say: who, and the message; None when that worker is gone."""

_serving = threading.Event()  # this process is a worker


class Worker:
    """A process that runs `serve(channel, *arguments)`; what it sends comes out of `inbox`.

    `serve` and its arguments are pickled, so `serve` is a function at the top of a module. `threads` is what numerical
    libraries are told to use. Raises `UsageError` in a worker: it would go on for ever.
    """

    def __init__(self, inbox: Inbox, serve: Callable[..., None], *arguments: Any, threads: int = 1) -> None:
        refuse_in_worker()
        boot = [sys.executable, "-P", "-c", _BOOT.format(__name__), json.dumps([*map(str, sys.path)])]
        surroundings = os.environ | dict.fromkeys(_THREADS, str(threads))
        with _deaf():
            self.process = subprocess.Popen(
                boot, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=surroundings
            )
        self._inbox = inbox
        self.send(serve, arguments)
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self.process.poll() is None

    def send(self, *message: Any) -> None:
        """Send it a message; a process that has died is noticed when it is listened to."""
        packed = pickle.dumps(message)
        assert self.process.stdin is not None
        with outliving_pipes(), contextlib.suppress(OSError, ValueError):
            _write(self.process.stdin.fileno(), packed)

    def leave(self) -> None:
        """Ask it to go; it is not waited for."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()

    def end(self, seconds: float = PATIENCE) -> int:
        """Wait until it has gone, and no longer than so many seconds; its exit code, negative for a signal."""
        self.leave()
        try:
            return self.process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        try:
            with self.process.stdout as pipe:
                for packed in _packets(pipe.fileno()):
                    self._inbox.put((self, _opened(packed)))
        finally:
            self._inbox.put((self, _END))


def dismiss(workers: Iterable[Worker], seconds: float = PATIENCE) -> None:
    """Send several away at once; those that have not gone in so many seconds are killed."""
    leaving = list(workers)
    until = time.monotonic() + seconds
    try:
        for worker in leaving:
            worker.leave()
        for worker in leaving:
            worker.end(until - time.monotonic())
    finally:  # also when someone loses patience with this
        for worker in leaving:
            worker.process.kill()
            worker.process.wait()


def refuse_in_worker() -> None:
    """Raise `UsageError` in a worker."""
    if _serving.is_set():
        raise UsageError(
            "a worker process may not start worker processes: the task, or a file that it imports, starts a search of "
            "its own; put that under: if __name__ == '__main__':"
        )


class Channel:
    """The side of a worker: what it is sent, and what it says.

    When its parent is gone it has `PATIENCE` seconds to notice and to leave; after them `farewell` is called and the
    process ends, whatever it was doing.
    """

    def __init__(self, commands: int, messages: int) -> None:
        self.farewell: Callable[[], None] = lambda: None
        self._commands, self._messages = commands, messages
        self._inbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._cut)
        threading.Thread(target=self._listen, daemon=True).start()

    def receive(self) -> Any:
        """The next message, waited for; `EOFError` when the parent is gone."""
        packed = self._inbox.get()
        if packed is _END:
            self._inbox.put(_END)
            raise EOFError
        return _opened(packed)

    def pending(self) -> bool:
        """Whether `receive` would return, or raise, at once."""
        return not self._inbox.empty()

    def send(self, *message: Any) -> None:
        """Say something; `OSError` when the parent is gone."""
        if self._messages == _CUT:
            raise BrokenPipeError
        _write(self._messages, pickle.dumps(message))

    def _cut(self) -> None:
        """In a process that the task has forked: it is no worker, and must not hold the pipes of one open."""
        for pipe in (self._commands, self._messages):
            with contextlib.suppress(OSError):
                os.close(pipe)
        self._commands = self._messages = _CUT
        self._inbox = queue.SimpleQueue()
        self._inbox.put(_END)

    def _listen(self) -> None:
        for packed in _packets(self._commands):
            self._inbox.put(packed)
        self._inbox.put(_END)
        time.sleep(PATIENCE)
        self.farewell()
        os._exit(1)


def begin() -> None:
    """The first thing that a worker does, before anything of the user's is imported: become one, and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _serving.set()
    pipes = os.dup(_COMMANDS), os.dup(_MESSAGES)  # under other numbers, which processes started in here do not inherit
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, _COMMANDS)
    os.close(nothing)
    stdout_is_stderr()
    channel = Channel(*pipes)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        serve, arguments = channel.receive()
        serve(channel, *arguments)
    sys.stderr.flush()
    os._exit(0)  # nothing is left to clean up, and to take a framework down in order lasts as long as to load it


def stdout_is_stderr() -> None:
    """From now on, whatever this process or what it starts writes to standard output goes to standard error."""
    sys.stdout.flush()
    with contextlib.suppress(OSError):  # either of them may be closed
        os.dup2(_ERRORS, _MESSAGES)
    sys.stdout = sys.stderr


@contextlib.contextmanager
def outliving_pipes() -> Iterator[None]:
    """In here, a pipe to a process that has died is an error like any other; commands are used to be ended by it."""
    pipe = getattr(signal, "SIGPIPE", None)
    main = threading.current_thread() is threading.main_thread()
    if pipe is None or not main or signal.getsignal(pipe) is not signal.SIG_DFL:
        yield
        return
    signal.signal(pipe, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(pipe, signal.SIG_DFL)


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """A process started in here is born with Ctrl-C blocked, also before its own code runs."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _write(pipe: int, packed: bytes) -> None:
    rest = memoryview(_SIZE.pack(len(packed)) + packed)
    while rest:
        rest = rest[os.write(pipe, rest) :]


def _packets(pipe: int) -> Iterator[bytes]:
    """What comes through a pipe, until its other side is gone."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            (size,) = _SIZE.unpack(_read(pipe, _SIZE.size))
            yield _read(pipe, size)


def _opened(packed: bytes) -> Any:
    return pickle.loads(packed)  # noqa: S301 - it comes from a process of our own, that runs the same code


def _read(pipe: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(pipe, min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
