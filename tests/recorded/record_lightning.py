"""Writes lightning.json: what Lightning said before it changed its rule in 2.5.3, on drawn losses.

Get the source with `pip install --no-deps --target FOLDER lightning==2.5.2`. In the folder `tests`,
`python -m recorded.record_lightning FOLDER` then records the suggestions of its own file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import parity
from peers import load_file
from peers_finders import drawn, lightning_says

CASES = 40


def case(finder: Any, losses: list[float], rates: list[float]) -> dict[str, Any]:
    """One curve and the index that the package chose on it."""
    said = lightning_says(rates, losses, finder)
    return {"losses": losses, "chosen": None if said is None else rates.index(said)}


def main(folder: str) -> None:
    """Record every case; the losses are rounded, so that text holds them."""
    finder = load_file(Path(folder) / "lightning/pytorch/tuner/lr_finder.py", (), "peer_lightning_2_5_2")
    lines = []
    for rng in parity.draws("lightning 2.5.2", CASES):
        rates, losses = drawn(rng)
        lines.append(case(finder, [round(loss, 4) for loss in losses], rates))
    head = json.dumps("lightning 2.5.2, lightning/pytorch/tuner/lr_finder.py")
    body = ",\n".join(json.dumps(line, separators=(",", ":")) for line in lines)
    path = Path(__file__).with_name("lightning.json")
    path.write_text(f'{{"source":{head},"cases":[\n{body}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
