"""README and docs: snippets run and print what the page says, links lead somewhere, lists are complete.

The ``python`` snippets of a page run in order, in one namespace, in a process and an empty folder of
their own, and warnings are errors. A ``text`` block right after a snippet is all it prints; where the
snippet raises, its last lines are the error as Python shows it, folded to `WIDTH` columns. A
snippet without a ``text`` block prints nothing and raises nothing.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import textwrap
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import rushmodel
from rushmodel.names import RESERVED

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WIDTH = 100


class Block(NamedTuple):
    """A fenced block of a page; ``line`` is that of its first line of content."""

    language: str
    line: int
    content: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    found = re.finditer(r"^```(.*)\n((?s:.*?))^```$", text, re.MULTILINE)
    return [Block(each[1], text.count("\n", 0, each.start(2)) + 1, each[2]) for each in found]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*\n(?s:.*?)^```$", "", page.read_text("utf-8"), flags=re.MULTILINE)


# -- snippets


def snippets(page: Path) -> list[tuple[Block, str]]:
    """Each snippet, and what the page says it prints."""
    found: list[tuple[Block, str]] = []
    for block in blocks(page):
        if block.language == "python":
            found.append((block, ""))
        elif block.language == "text":
            snippet = found[-1][0] if found else Block("", 0, "")
            # Between the two lie a fence, an empty line and a fence.
            follows = block.line == snippet.line + snippet.content.count("\n") + 3
            assert follows, f"{page.name}:{block.line}: no snippet right before this output"
            found[-1] = (snippet, block.content)
    return found


def play(page: Path) -> list[str]:
    """What every snippet prints; for a process of its own."""
    module = ModuleType("page")
    sys.modules["page"] = module  # where pickle and pydantic look for the classes
    printed: list[str] = []
    for block, _ in snippets(page):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            try:
                # The blank lines in front make the numbers in tracebacks those of the page.
                source = "\n" * (block.line - 1) + block.content
                exec(compile(source, page, "exec"), module.__dict__)
            except Exception as error:
                for line in "".join(traceback.format_exception_only(error)).splitlines():
                    print(textwrap.fill(line, WIDTH, subsequent_indent="    ", break_long_words=False))
        printed.append(out.getvalue())
    for value in list(vars(module).values()):
        if isinstance(value, (rushmodel.Database, rushmodel.RushDB)):
            value.close()
    return printed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_snippets(page: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUSH")}
    environment |= {
        "PYTHONPATH": str(ROOT),
        "PYTHONIOENCODING": "utf-8",
        "PYDANTIC_ERRORS_INCLUDE_URL": "0",  # it holds pydantic's version
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__, str(page)],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for (block, expected), printed in zip(snippets(page), json.loads(done.stdout), strict=True):
        assert printed == expected, f"{page.name}:{block.line}"


def test_snippets_are_typed(tmp_path: Path) -> None:
    """Only a snippet that raises may have an error for mypy."""
    raising: dict[str, set[int]] = {}
    for page in PAGES:
        lines = [""] * page.read_text("utf-8").count("\n")
        for block, expected in snippets(page):
            content = block.content.splitlines()
            numbers = range(block.line, block.line + len(content))
            lines[block.line - 1 : numbers.stop - 1] = content
            if re.search(r"^[\w.]+: ", expected, re.MULTILINE):
                raising.setdefault(page.stem, set()).update(numbers)
        (tmp_path / f"{page.stem}.py").write_text("\n".join(lines), "utf-8")
    options = ["--strict", "--follow-imports=silent", "--disable-error-code=no-redef", "--config-file="]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *(f"{page.stem}.py" for page in PAGES)],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(r"^(\w+)\.py:(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    assert [each for each in found if int(each[1]) not in raising.get(each[0], ())] == []


# -- what pages name


def test_there_are_pages() -> None:
    assert len(PAGES) > 7
    assert [page.name for page in PAGES if not snippets(page)] == ["benchmarks.md", "durability.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_have_a_language_that_is_tested(page: Path) -> None:
    assert {block.language for block in blocks(page)} <= {"python", "text", "sh", "toml"}
    assert "```" not in prose(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_in_shell_snippets_exist(page: Path) -> None:
    for block in blocks(page):
        if block.language == "sh":
            for name in re.findall(r"(?<![\w=])[\w.-]+(?:/[\w.-]+)+", block.content):
                assert (ROOT / name).is_file(), f"{page.name}:{block.line}: {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        to = (page.parent / name).resolve() if name else page
        assert to.is_file(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(to), f"{page.name}: {target}"


def test_the_readme_leads_to_every_page() -> None:
    linked = {(ROOT / target).resolve() for target in re.findall(r"\]\((docs/[\w.-]+)\)", prose(PAGES[0]))}
    assert linked == set(PAGES[1:])


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


# -- lists that must be complete


def test_models_lists_the_reserved_names() -> None:
    lines = re.findall(r"^    (.+)$", section(ROOT / "docs" / "models.md", "Reserved names"), re.MULTILINE)
    assert {name for line in lines for name in line.split()} == RESERVED


def test_errors_lists_every_error() -> None:
    tree = section(ROOT / "docs" / "errors.md", "The tree")
    rows = re.findall(r"^\| `(\w+)` \| (`.*?`) \| (\d+) \|", tree, re.MULTILINE)
    public: dict[str, Any] = {name: getattr(rushmodel, name) for name in rushmodel.__all__}
    assert {name: (re.findall(r"\w+", bases), int(status)) for name, bases, status in rows} == {
        name: ([base.__name__ for base in each.__bases__], each.status)
        for name, each in public.items()
        if isinstance(each, type) and issubclass(each, rushmodel.RushModelError)
    }


def section(page: Path, heading: str) -> str:
    _, found, rest = page.read_text("utf-8").partition(f"\n## {heading}\n")
    assert found, f"{page.name} has no section {heading!r}"
    return rest.partition("\n## ")[0]


if __name__ == "__main__":
    json.dump(play(Path(sys.argv[1])), sys.stdout)


def test_every_rule_that_the_code_names_is_on_its_page():
    page = (ROOT / "docs/rules.md").read_text()
    explained = set(re.findall(r"^\| (R\d+) \|", page, re.MULTILINE))
    promised = set(re.findall(r"^(\d)\. ", page, re.MULTILINE))
    code = "\n".join(path.read_text() for path in (ROOT / "rushmodel").rglob("*.py"))
    assert set(re.findall(r"\bR\d+\b", code)) <= explained
    assert set(re.findall(r"\bpromise (\d)", code)) <= promised
