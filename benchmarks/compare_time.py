"""How long the main job takes: `learnrate compare digits` with its defaults, three seeds, on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import record

BAR = 90.0
SOURCE = str(Path(__file__).parents[1] / "src")


def main() -> None:
    options = record.parser(__doc__, rounds=1).parse_args()
    command = [sys.executable, "-m", "learnrate", "compare", "digits", "--json"]
    started, cpu = time.perf_counter(), record.cpu_seconds()
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": SOURCE})
    seconds, cpu = time.perf_counter() - started, record.cpu_seconds() - cpu
    answer = json.loads(done.stdout)
    runs = len(answer["rows"]) * len(answer["seeds"])
    text = record.table(
        "What `learnrate compare digits` takes",
        ("runs", "wall s", "CPU s", "bar, wall s"),
        [(runs, f"{seconds:.1f}", f"{cpu:.1f}", f"at most {BAR:.0f}")],
        [answer["verdict"]],
    )
    record.publish("compare_time", text, save_it=options.save, packages=("torch", "scikit-learn"))


if __name__ == "__main__":
    main()
