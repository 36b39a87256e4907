"""The documentation: generated text is current, the two languages say the same, links lead somewhere, examples run."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import typer

import learnrate as lr
from learnrate.cli import app, compare
from learnrate.cli.lineup import CONTENDERS, lineup
from learnrate.cli.lineup import SCHEDULES as LINED_UP
from learnrate.schedule import SCHEDULES, Shape
from learnrate.spec import number
from learnrate.tasks.digits import BATCH

ROOT = Path(__file__).parents[1]
PAIRS = [("README.md", "README.zh-CN.md"), ("docs/guide.md", "docs/guide.zh-CN.md")]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def words(path: str) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", text(path))


@pytest.fixture(scope="module")
def generate() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        yield importlib.import_module("generate")


# --- generated text --------------------------------------------------------------------------------------------------


def test_generated_text_is_current(generate: ModuleType) -> None:
    assert not sorted(generate.changes()), "run: python scripts/generate.py"


def test_generated_text_is_the_same_twice(generate: ModuleType) -> None:
    assert generate.outputs() == generate.outputs()


def test_stale_and_stray_files_are_seen(
    generate: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, read = "docs/reference/schedules.md", generate.read
    monkeypatch.setattr(generate, "read", lambda path: read(path) if path != page else "old")
    monkeypatch.setattr(generate, "OWNED", ("docs/reference", "docs/images", "benchmarks/results"))
    monkeypatch.setattr("sys.argv", ["generate.py", "--check"])
    assert generate.main() == 1
    listed = capsys.readouterr().out.splitlines()
    assert f"stale: {page}" in listed
    assert "stale: benchmarks/results/compare_digits.json" in listed
    assert "stale: docs/reference/algebra.md" not in listed


def test_a_new_schedule_is_in_the_documentation_at_once(generate: ModuleType) -> None:
    class Cubic(Shape):
        """Falls with the cube of time.

        >>> Cubic(8.0)(1)
        1.0
        """

        __module__ = "learnrate.schedules.shapes"
        open_ended = True
        start: float = number("a_0", "rate", "value at t = 0")

        def formula(self, t: Any, xp: Any) -> Any:
            return self.start / (1 + t) ** 3

    try:
        made = generate.outputs()
    finally:
        SCHEDULES.remove("Cubic")
    page = made["docs/reference/schedules.md"]
    section = page[page.index("## Cubic") :].partition("\n## ")[0]
    assert "$$\n\\eta(t) = \\frac{a_0}{\\left(1 + t\\right)^{3}}\n$$" in section
    assert "| `start` | $a_0$ | rate |  |  | value at t = 0 |" in section
    assert ">>> Cubic(8.0)(1)\n1.0" in section
    assert "![Cubic](../images/gallery/Cubic.svg)" in section
    assert ">Cubic</text>" in made["docs/images/catalogue.svg"]
    assert made["docs/images/gallery/Cubic.svg"].startswith("<svg")
    assert all("docs/reference/schedules.md#cubic" in made[path] for path in PAIRS[0])


def test_the_extras_are_used_as_the_table_says(generate: ModuleType) -> None:
    """An extra has a use exactly when the library imports something that it brings, or says that it is missing."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "src").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    imported = {name.partition(".")[0].replace("sklearn", "scikit-learn") for name in names}
    calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "MissingExtra"]
    asked = {node.args[1].value for node in calls if isinstance(node.args[1], ast.Constant)}
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", generate.extras_block({}), re.MULTILINE)
    declared = tomllib.loads(text("pyproject.toml"))["project"]["optional-dependencies"]
    assert [extra for extra, _, _ in rows] == [
        *(e for e in declared if e not in ("all", "test", "peers", "dev")),
        "all",
    ]
    for extra, packages, use in rows[:-1]:
        assert (use != generate.UNUSED) == bool(imported & set(packages.split(", ")) or extra in asked), extra
    assert set(generate.EXTRAS) <= set(declared)


def test_every_schedule_has_its_formula_or_meaning(generate: ModuleType) -> None:
    for cls in generate.reference.catalogue():
        shown = generate.reference.meaning(cls)
        long = cls.__name__ in ("Noise", "Function")
        assert long or shown.startswith("$$\n\\eta(t) = ") or "stands for\n" in shown or " is\n\n$$" in shown


def test_pictures_do_not_depend_on_the_last_digit(generate: ModuleType) -> None:
    pixels = np.linspace(0.0, 200.0, 321)
    for value in (np.cos(pixels / 40) * 40 + 40, pixels * 0.125, np.floor(pixels / 8) * 0.005):
        drawn = generate.pictures.path(pixels, value)
        assert (
            drawn
            == generate.pictures.path(pixels, value * (1 + 1e-15))
            == generate.pictures.path(pixels, value * (1 - 1e-15))
        )


def test_a_straight_line_is_two_points(generate: ModuleType) -> None:
    assert generate.pictures.path(range(101), range(0, 202, 2)) == "M0 0L100 200"
    assert generate.pictures.path([0, 1, 2, 3], [5, 5, 9, 9]) == "M0 5L1 5L2 9L3 9"


def test_translations_are_of_sentences_in_use(generate: ModuleType) -> None:
    sentences = {generate.reference.sentence(cls) for cls in generate.reference.catalogue()}
    translated = {sentence for sentence in generate.words("zh") if sentence.endswith(".")}
    assert translated <= sentences


# --- two languages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_languages_are_in_step(english: str, chinese: str) -> None:
    def levels(path: str) -> list[str]:
        return re.findall(r"^(#+) ", words(path), re.MULTILINE)

    def marks(path: str) -> list[str]:
        return re.findall(r"^(?:<!-- .*? -->|!\[|- |\d\. |\| |@@)", words(path), re.MULTILINE)

    def targets(path: str) -> list[str]:
        return [link.replace(".zh-CN.md", ".md") for link in LINK.findall(words(path))]

    assert FENCE.findall(text(chinese)) == FENCE.findall(text(english))
    assert levels(chinese) == levels(english)
    assert marks(chinese) == marks(english)
    assert sorted(targets(chinese)) == sorted(targets(english))


def test_the_chinese_pages_are_chinese() -> None:
    for _, chinese in PAIRS:
        headings = re.findall(r"^##+ (.*)$", words(chinese), re.MULTILINE)
        assert all(re.search("[\u4e00-\u9fff]", heading) for heading in headings)


# --- links -----------------------------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """The anchors that headings get: lower case, spaces to dashes, no punctuation."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.is_file() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    assert not broken_links(ROOT / page)


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "a.md"
    page.write_text("# One two\n[a](b.md) [b](#one-two) [c](#three) [d](https://example.org/x)\n", encoding="utf-8")
    assert broken_links(page) == ["b.md", "#three"]


# --- what the pages say is so ----------------------------------------------------------------------------------------


def test_every_command_is_documented() -> None:
    group: Any = typer.main.get_command(app)
    headings = re.findall(r"^## (.*)$", text("docs/reference/cli.md"), re.MULTILINE)
    assert headings == list(group.commands)
    for name, command in group.commands.items():
        assert command.help, name
        assert all(param.help for param in command.params), name


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_the_pages_exist(page: str) -> None:
    group: Any = typer.main.get_command(app)
    for line in re.findall(r"^\$ (?:scripts/)?learnrate (.+)$", text(page), re.MULTILINE):
        name, *arguments = shlex.split(line)
        group.commands[name].make_context(name, arguments).close()


@pytest.mark.parametrize("page", PAGES)
def test_scripts_and_files_in_the_pages_exist(page: str) -> None:
    named = re.findall(r"`((?:scripts|tests|src|docs|benchmarks)/[\w./*-]+)`", words(page))
    assert not [name for name in named if not list(ROOT.glob(name.rstrip("/")))]


def test_the_numbers_in_words_are_so() -> None:
    assert len(lineup(100, "min")) == 20
    readme = " ".join(text("README.md").split())
    assert "with twenty policies, on three seeds each unless `--seeds` says otherwise" in readme
    assert inspect.signature(compare).parameters["seeds"].default == 3
    peaks = [CONTENDERS[name].peak for name in ("sgd", "adamw")]
    for page in PAIRS[0]:
        assert all(f"{peak:g}" in words(page) for peak in peaks)
    assert "{:g} for SGD and {:g} for AdamW".format(*peaks) in readme
    assert f"Batches of {BATCH} " in readme
    saved = json.loads(text("benchmarks/results/compare_digits.json"))
    assert not {10, 11, 12} & set(saved["seeds"])  # those that chose the peaks
    assert (len(LINED_UP), len(CONTENDERS)) == (10, 2)
    assert "ten schedules for each of two optimizers" in " ".join(text("docs/guide.md").split())


def test_the_task_of_the_guide_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(# mytask\.py\n.*?)^```$", text("docs/guide.md"), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1
    path = tmp_path / "mytask.py"
    path.write_text(blocks[0], encoding="utf-8")
    mine = lr.tasks.find(str(path))
    policies = {
        "good": lr.Policy("adamw", lr.Linear(0, 0.01, "5%") >> lr.Cosine(0.01)),
        "listens": lr.Policy("sgd", 0.1, feedback=lr.Plateau(patience=0)),
        "too low": lr.Policy("adamw", 1e-6),
    }
    traces = {name: [lr.run(mine, policy, seed, updates=40) for seed in range(2)] for name, policy in policies.items()}
    assert {trace.ended for runs in traces.values() for trace in runs} == {"finished"}
    assert {trace.meta["rate"] for runs in traces.values() for trace in runs} == {"task"}
    assert len(traces["good"][0].evaluations["val_loss"]) == 10
    assert lr.comparison.compare(traces).rows[-1].name == "too low"


def test_one_version_everywhere() -> None:
    declared = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", text("CHANGELOG.md"), re.MULTILINE)
    cited = re.findall(r"^version: (.*)$", text("CITATION.cff"), re.MULTILINE)
    assert lr.__version__ == declared == released[0]
    assert cited == [declared]
    assert f"version {declared}" in text("README.md")
    assert declared in words("README.zh-CN.md")
