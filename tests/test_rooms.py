"""The rooms of ntkbench/: in the order of docs/architecture.md, without circles, each behind its own door."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
# ntkbench/__init__.py names the public face, __main__.py enters the command line: they belong to no room.
FACES = ("ntkbench", "ntkbench.__main__")
# Rooms of the engine that show other rooms no more than their __init__.py imports.
BEHIND_DOORS = ("autodiff", "checks", "hessian", "model", "ntk", "ops", "search", "structure")


@frozen
class Import:
    """`name` of the module `target`, imported by the module `by`; only_types: for type checkers alone."""

    by: str
    target: str
    name: str
    only_types: bool


def modules(root: Path) -> dict[str, Path]:
    """Return the files of the package in `root` by the names of their modules."""
    found = {}
    for path in sorted((root / "ntkbench").rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def imports(root: Path) -> Iterator[Import]:
    """Yield every import of one module of the package by another, those inside functions too."""
    files = modules(root)
    shown = {module: _bound(path) for module, path in files.items() if path.name == "__init__.py"}
    for module, path in files.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        tree = ast.parse(path.read_text(encoding="utf-8"))
        guarded = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                parts = package.split(".")
                base = parts[: len(parts) - node.level + 1] if node.level else []
                source = ".".join([*base, *([node.module] if node.module else [])])
                for alias in node.names:
                    inner = f"{source}.{alias.name}"
                    is_file = inner in files and alias.name not in shown.get(source, ())
                    target, name = (inner, "") if is_file else (source, alias.name)
                    if target in files:
                        yield Import(module, target, name, id(node) in guarded)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name in files:
                        yield Import(module, alias.name, "", id(node) in guarded)


def _bound(path: Path) -> set[str]:
    """Return the names that a file imports at its top: what a room shows, which may be called as one of its files."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {alias.asname or alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names}


def rooms() -> list[str]:
    """Return the rooms in the order of the page, as modules: "ntkbench.engine.ops"."""
    section = PAGE.read_text(encoding="utf-8").partition("## Rooms, lowest first")[2].partition("\n## ")[0]
    named = re.findall(r"^(?:- |\d+\. )`([\w/.]+)`", section, re.MULTILINE)
    return ["ntkbench." + each.removesuffix(".py").strip("/").replace("/", ".") for each in named]


def room_of(module: str) -> str:
    """Return the room that a module lies in; "" for the engine's own package, which is empty."""
    return next((room for room in rooms_ if module == room or module.startswith(room + ".")), "")


rooms_ = rooms()


def circle(edges: dict[str, set[str]]) -> list[str]:
    """Return the nodes of a circle, none where there is none."""
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for following in sorted(edges.get(node, ())):
            if found := walk(following, [*path, node]):
                return found
        done.add(node)
        return []

    return next((found for node in sorted(edges) if (found := walk(node, []))), [])


def upward(found: list[Import]) -> list[str]:
    """Return a sentence for each import of a higher room by a lower one, types included."""
    order = {room: at for at, room in enumerate(rooms_)}
    return [
        f"{each.by} imports {each.target}"
        for each in found
        if each.by not in FACES
        and (room_of(each.by), room_of(each.target)) != ("", "")
        and order.get(room_of(each.target), -1) > order.get(room_of(each.by), -1)
    ]


def through_walls(found: list[Import]) -> list[str]:
    """Return a sentence for each import of what belongs to another room alone."""
    told = []
    for each in found:
        mine, theirs = room_of(each.by), room_of(each.target)
        if mine == theirs or each.by in FACES:
            continue
        past_the_door = theirs.rpartition(".")[2] in BEHIND_DOORS and theirs.startswith("ntkbench.engine.")
        last = each.target.rpartition(".")[2]
        if (each.name or last).startswith("_") and each.target != "ntkbench._version":
            told.append(f"{each.by} imports {each.name or last} of {each.target}")
        elif past_the_door and each.target != theirs:
            told.append(f"{each.by} imports {each.target}; {theirs} shows what others may use")
    return told


ALL = list(imports(ROOT))


def test_every_file_is_in_a_room():
    lost = [module for module in modules(ROOT) if module not in FACES and not room_of(module)]
    assert lost == ["ntkbench.engine"]


def test_every_room_is_there():
    assert [room for room in rooms_ if room not in modules(ROOT)] == []


def test_no_circle():
    edges: dict[str, set[str]] = {}
    for each in ALL:
        if not each.only_types and each.target != each.by:
            edges.setdefault(each.by, set()).add(each.target)
    assert circle(edges) == []


def test_no_room_knows_a_higher_one():
    assert upward(ALL) == []


def test_no_room_reaches_into_another():
    assert through_walls(ALL) == []


@pytest.mark.parametrize(
    ("file", "line", "found_by"),
    [
        ("ntkbench/engine/ops/reshape.py", "from ..hessian import hvp", upward),
        ("ntkbench/atomic.py", "def f():\n    from .api import load", upward),
        ("ntkbench/engine/ntk/plan.py", "from ..checks.guard import require_right_derivatives", through_walls),
        ("ntkbench/report/svg.py", "from ..store.run_store import _hidden", through_walls),
    ],
)
def test_what_is_put_in_is_found(tmp_path, file, line, found_by):
    import shutil

    shutil.copytree(ROOT / "ntkbench", tmp_path / "ntkbench", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / file
    path.write_text(path.read_text(encoding="utf-8") + "\n" + line + "\n", encoding="utf-8")
    assert len(found_by(list(imports(tmp_path)))) == 1


def test_a_circle_that_is_put_in_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"d", "b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}}) == []
