"""Adding a schedule is adding one class in one place; everything else follows.

A copy of the project gets one more class, appended to one file. Then the command line, the parser, the printed formula,
JSON, the public names and the generated reference know it, and so do the tests that draw from the registry.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

CLASS = '''

class Zigzag(Shape):
    """Falls in a straight line, with teeth.

    Pick it to see that one class is enough.

    >>> Zigzag(1.0, 0.0, 10, teeth=0.5)([0, 5, 10])
    array([1.  , 0.25, 0.  ])
    """

    start: float = number("a", "rate", "value at t = 0", span=(1e-4, 1.0))
    end: float = ending()
    updates: Length = rest()
    teeth: float = number("z", "", "how deep the teeth are", default=0.25, ge=0, le=1, span=(0.1, 0.9))

    def formula(self, t: Any, xp: Any) -> Any:
        u = xp.let("u", t / self.updates)
        return blend(self.start, self.end, (1 - u) * (1 - self.teeth * xp.abs(xp.sin(math.pi * u))))
'''

QUESTIONS = """
import json
import learnrate as lr
import numpy as np
import reference
from learnrate import notation
from learnrate.schedule import SCHEDULES
from learnrate.spec import draw

import random

schedule = lr.parse("(Linear(0, 1, 5) >> Zigzag(1, 0.1, 20, teeth=0.5)).clip(0.05)")
drawn = draw(SCHEDULES["Zigzag"], random.Random(1))
print(json.dumps({
    "public": lr.Zigzag is lr.schedules.Zigzag and "Zigzag" in lr.__all__,
    "parsed": repr(schedule),
    "again": lr.parse(repr(schedule)) == schedule,
    "json": notation.to_json(lr.Zigzag(1, 0, 10)),
    "from json": notation.from_json(notation.to_json(schedule)) == schedule,
    "values": schedule(np.arange(30)).tolist(),
    "python": schedule.code("python"),
    "javascript": schedule.code("javascript"),
    "latex": lr.Zigzag(1, 0, 10).latex(),
    "drawn": bool(np.isfinite(drawn.curve()).all()),
    "docs": reference.schedules_page(),
}))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with one class more."""
    copy = tmp_path_factory.mktemp("project")
    for folder in ("src", "scripts"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    with (copy / "src" / "learnrate" / "schedules" / "shapes.py").open("a", encoding="utf-8") as shapes:
        shapes.write(CLASS)
    return copy


@pytest.fixture(scope="module")
def run(project: Path) -> Callable[..., str]:
    """Run Python in the copy; its standard output."""

    def run(*arguments: str) -> str:
        path = os.pathsep.join([str(project / "src"), str(project / "scripts")])
        environment = os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "140"}
        done = subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=project,
            env=environment,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run


@pytest.fixture(scope="module")
def answers(run: Callable[..., str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("-c", QUESTIONS))
    return found


def test_it_is_a_public_name(answers: dict[str, Any]) -> None:
    assert answers["public"]
    assert answers["drawn"]


def test_the_parser_reads_it(answers: dict[str, Any]) -> None:
    assert answers["parsed"] == "(Linear(0.0, 1.0, 5) >> Zigzag(1.0, 0.1, 20, teeth=0.5)).clip(0.05)"
    assert answers["again"]


def test_json_holds_it(answers: dict[str, Any]) -> None:
    assert {"type": "Zigzag", "start": 1.0, "updates": 10}.items() <= answers["json"].items()
    assert answers["from json"]


def test_its_formula_is_printed(answers: dict[str, Any], tmp_path: Path) -> None:
    namespace: dict[str, Any] = {}
    exec(answers["python"], namespace)  # noqa: S102 - the text is what the library printed a moment ago
    assert [namespace["schedule"](t) for t in range(30)] == pytest.approx(answers["values"], rel=0, abs=1e-14)
    script = tmp_path / "run.js"
    script.write_text(answers["javascript"] + "\nconsole.log(JSON.stringify([...Array(30).keys()].map(schedule)));")
    shown = subprocess.run(["node", script], capture_output=True, text=True, check=True, timeout=60).stdout
    assert json.loads(shown) == pytest.approx(answers["values"], rel=0, abs=1e-14)
    assert "\\sin" in answers["latex"]
    assert "0.25" in answers["latex"]


def test_the_reference_describes_it(answers: dict[str, Any]) -> None:
    page = answers["docs"]
    section = page[page.index("## Zigzag") :].partition("\n## ")[0]
    assert "Falls in a straight line, with teeth." in section
    assert "how deep the teeth are" in section
    assert "\\left|\\sin" in section
    assert "Zigzag(1.0, 0.0, 10, teeth=0.5)" in section


def test_the_command_line_lists_and_shows_it(run: Callable[..., str]) -> None:
    listed = run("-m", "learnrate", "list")
    assert "Zigzag(start, end=0.0, updates=None, teeth=0.25)" in listed
    assert "Falls in a straight line, with teeth." in listed
    entry = run("-m", "learnrate", "list", "Zigzag")
    assert "how deep the teeth are" in entry
    shown = run("-m", "learnrate", "show", "Zigzag(1, 0, 100)")
    assert "\\sin" in shown


def test_its_example_is_a_test(run: Callable[..., str], project: Path) -> None:
    shapes = project / "src" / "learnrate" / "schedules" / "shapes.py"
    options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib --doctest-modules"]
    shutil.copy(ROOT / "pyproject.toml", project)
    assert "1 passed" in run("-m", "pytest", *options, str(shapes), "-k", "Zigzag")
