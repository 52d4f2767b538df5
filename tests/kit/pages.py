"""Pages of the documentation, executed: their Python, and their commands at small sizes."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ntkbench.cli.main import main

ROOT = Path(__file__).parents[2]
THREE = ["--arch", "fc", "--arch", "fc-bottleneck:k=1", "--arch", "linear"]
SMALL = ["--widths", "16,32", "--seeds", "1", "--probes", "4"]
# What needs another machine, or hours, is planned and not measured.
ELSEWHERE = re.compile(r"dask:tcp|gpu|tpu|(--arch .*){4}")


def blocks(path: Path) -> list[tuple[str, str]]:
    """Return (language, text) of each fenced block of a page."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words after `ntkbench` of each command in a block, comments left out."""
    for line in text.splitlines():
        for part in line.split("&&"):
            words = shlex.split(part, comments=True)
            if words[:1] == ["ntkbench"]:
                yield words[1:]


def small(words: list[str]) -> list[str]:
    """Return a command that measures less: three architectures for all of them, two narrow widths, one seed."""
    if words[0] == "doctor":
        return words if words[1:] else ["doctor", "--help"]
    if words[0] != "run":
        return words
    if "all" in words:
        at = words.index("all")
        words = [*words[: at - 1], *THREE, *words[at + 1 :]]
    if ELSEWHERE.search(shlex.join(words)) and "--dry-run" not in words:
        words = [*words, "--dry-run"]
    if "--dry-run" in words:
        return words
    if "--suite" not in words:
        words = [*words, *SMALL]
    if "--timeout" not in words:  # limits need workers
        words = [*words, "--executor", "serial"]  # workers would start longer than they work
    # A run without a name, and those that later commands of the page read, are one folder: it is measured once.
    return words if "--out" in words else [*words, "--out", "runs/first"]


def execute(path: Path, folder: Path, capsys: Any) -> dict[str, object]:
    """Execute the blocks of a page from top to bottom in the current folder; return the names its Python defined.

    A block of Python or TOML that begins with "# NAME.py" (or .toml) is written as a file instead.
    """
    names: dict[str, object] = {}
    for language, text in blocks(path):
        if language in ("python", "toml") and (file := re.match(r"# (\w+\.(?:py|toml))\b", text)):
            (folder / file[1]).write_text(text, encoding="utf-8")
            if language == "python":
                compile(text, file[1], "exec")
        elif language == "python":
            exec(compile(text, path.name, "exec"), names)
        elif language in ("bash", "console"):
            for words in commands(text):
                code = main(small(words))
                out, err = capsys.readouterr()
                assert code == 0, f"ntkbench {shlex.join(words)}: {err}"
                assert out.strip() or "-o" in words, f"ntkbench {shlex.join(words)} printed nothing"
                assert words[0] not in ("run", "table", "list") or max(map(len, out.splitlines())) <= 100
    return names


def execute_notebook(path: Path) -> dict[str, object]:
    """Execute the code of a notebook in the current folder, without Jupyter; return the names that it defined."""
    names: dict[str, object] = {"__name__": "__main__"}
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), names)
    return names


@contextlib.contextmanager
def own_modules(*names: str) -> Iterator[None]:
    """Forget modules that a page has written, before and after."""
    for name in names:
        sys.modules.pop(name, None)
    try:
        yield
    finally:
        for name in names:
            sys.modules.pop(name, None)
