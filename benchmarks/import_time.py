"""What `import learnrate` costs over `import numpy`: processor time of fresh processes, taken in turns."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import record

BAR = 60.0
NUMPY, BOTH = "import numpy", "import numpy, learnrate"
CACHE = tempfile.TemporaryDirectory()
SOURCE = str(Path(__file__).parents[1] / "src")


def fresh(statement: str) -> None:
    """Run one statement in a new interpreter that reads no user settings."""
    environment = os.environ | {"PYTHONPATH": SOURCE, "PYTHONNOUSERSITE": "1", "PYTHONPYCACHEPREFIX": CACHE.name}
    # NumPy's BLAS starts a thread for every core, and an idle one spins: processor time that is no import
    environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its compiled files
    subprocess.run([sys.executable, "-P", "-c", statement], check=True, env=environment)


def main() -> None:
    options = record.parser(__doc__, rounds=25).parse_args()
    statements = ("pass", NUMPY, BOTH)
    seconds = record.interleaved({text: functools.partial(fresh, text) for text in statements}, options.rounds)
    rows = [(f"`{text}`", f"{1000 * seconds[text]:.1f}") for text in statements]
    cost = 1000 * (seconds[BOTH] - seconds[NUMPY])
    text = record.table(
        "What `import learnrate` costs",
        ("a fresh process runs", "median CPU ms"),
        [*rows, ("learnrate over numpy", f"{cost:.1f}"), ("bar", f"at most {BAR:.0f}")],
        [f"User and system time, {options.rounds} processes of each kind in turns, compiled files already written."],
    )
    record.publish("import_time", text, save_it=options.save)


if __name__ == "__main__":
    main()
