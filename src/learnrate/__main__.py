"""The command `learnrate`: starts the command line, or says in one line what to install first."""

from __future__ import annotations

import sys

from .errors import MissingExtra


def main() -> int:
    """Run the command line and return its exit code: 2 when an optional package is missing, 130 after Ctrl-C."""
    try:
        return _run()
    except MissingExtra as missing:
        print(missing, file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # while things are loaded; a command that runs answers it itself
        print("interrupted", file=sys.stderr)
        return 130


def _run() -> int:
    try:
        from .cli import main as command_line
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package in ("typer", "rich"):
            raise MissingExtra(package, "cli") from None
        raise
    return command_line() or 0


if __name__ == "__main__":
    sys.exit(main())
