"""Find the files and folders that a Python file names, from its syntax tree, without running it.

A name may be one string, or be put together from several: `HERE / "data" / "scale.txt"`, `os.path.join(HERE, "data",
"scale.txt")`, `f"{HERE}/scale.txt"`, `Path(__file__).with_suffix(".json")`, where HERE is assigned once in the file.
"""

from __future__ import annotations

import ast
import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

_LONGEST_NAME = 255
_LONGEST_PATH = 4096
_SAME = ("str", "fspath", "abspath", "realpath", "normpath", "resolve", "absolute", "as_posix", "expanduser")
_JOINS = ("Path", "PurePath", "PosixPath", "join", "joinpath")
_CHANGES: Mapping[str, Callable[[Path, str], Path]] = {
    "with_suffix": Path.with_suffix,
    "with_name": Path.with_name,
    "with_stem": Path.with_stem,
}


class NamedPaths:
    """The paths that a Python file names.

    Args:
        file: Path of the file.
        tree: Its syntax tree.
    """

    def __init__(self, file: Path, tree: ast.AST):
        self.file = file
        self._nodes = list(ast.walk(tree))
        self._assigned = _assigned_once(self._nodes)
        self._texts: dict[int, str | None] = {}

    def files(self) -> Iterator[str]:
        """Yield the names of files that the file may read; names in calls that write a file are excluded."""
        written = {id(part) for node in self._nodes if isinstance(node, ast.Call) for part in self._written(node)}
        for node in self._nodes:
            if not isinstance(node, ast.expr) or isinstance(node, ast.Name) or id(node) in written:
                continue
            text = self.text(node)
            if not text or len(os.path.basename(text)) > _LONGEST_NAME or not text.isprintable():
                continue
            if "." in text.strip(".") or not isinstance(node, ast.Constant):
                yield text

    def import_folders(self) -> Iterator[Path]:
        """Yield the folders that the file adds to `sys.path`."""
        for node in self._nodes:
            if isinstance(node, ast.Expr | ast.Assign | ast.AugAssign):
                parts = [part for part in ast.walk(node) if isinstance(part, ast.expr)]
                if any(isinstance(part, ast.Attribute) and ast.unparse(part) == "sys.path" for part in parts):
                    texts = (self.text(part) for part in parts)
                    yield from (Path(text) for text in texts if text and os.path.isdir(text))

    def text(self, node: ast.expr) -> str | None:
        """Return the string or path that an expression stands for; None if that takes running the file.

        The unknown start of a path is left out: the rest may be relative to the file's folder.
        """
        if id(node) not in self._texts:
            self._texts[id(node)] = None  # while it is looked for: names may refer to one another
            with contextlib.suppress(ValueError, IndexError, TypeError, RecursionError):
                found = self._found(node)
                self._texts[id(node)] = found if found is None or len(found) <= _LONGEST_PATH else None
        return self._texts[id(node)]

    def _found(self, node: ast.expr) -> str | None:
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Name(id="__file__"):
                return str(self.file)
            case ast.Name(id=name) if name in self._assigned:
                return self.text(self._assigned[name])
            case ast.JoinedStr(values=values):
                parts = [self.text(each.value if isinstance(each, ast.FormattedValue) else each) for each in values]
                return None if None in parts else "".join(part for part in parts if part)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                end = self.text(right)
                return None if end is None else os.path.join(self.text(left) or "", end)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                start, end = self.text(left), self.text(right)
                return None if start is None or end is None else start + end
            case ast.Attribute(value=value, attr="parent"):
                return self._parent(self.text(value))
            case ast.Subscript(value=ast.Attribute(value=value, attr="parents"), slice=level):
                path = self.text(value)
                return None if path is None else str(Path(path).parents[ast.literal_eval(level)])
            case ast.Call():
                return self._returned(node)
        return None

    def _returned(self, call: ast.Call) -> str | None:
        """Return the path that a call returns."""
        called, given = _name_of(call), [self.text(each) for each in call.args]
        own = self.text(call.func.value) if isinstance(call.func, ast.Attribute) else None
        if called in ("cwd", "getcwd"):
            return os.getcwd()
        if called in _SAME:
            return given[0] if given else own
        if called == "dirname":
            return self._parent(given[0])
        if called in _CHANGES:
            return None if own is None or given[0] is None else str(_CHANGES[called](Path(own), given[0]))
        if called in _JOINS and given and None not in given[1:] and not (called == "join" and own is not None):
            return os.path.join(own or "", *(each or "" for each in given))
        return None

    @staticmethod
    def _parent(path: str | None) -> str | None:
        return None if path is None else os.path.dirname(path)

    def _written(self, call: ast.Call) -> Iterator[ast.AST]:
        """Yield the nodes of a call that writes a file: open("log.txt", "a"), Path("log.txt").write_text(...).

        A name stands for the path that was assigned to it.
        """
        called = _name_of(call)
        modes = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
        texts = [mode.value for mode in modes if isinstance(mode, ast.Constant) and isinstance(mode.value, str)]
        opens = called == "open" and any(set("wax") & set(text) and set(text) <= set("rwaxbt+") for text in texts)
        if not (opens or called.startswith(("write", "save", "touch", "unlink"))):
            return
        yield from ast.walk(call)
        for target in (call.func, *call.args[:1]):
            names = (part.id for part in ast.walk(target) if isinstance(part, ast.Name))
            for value in (self._assigned[name] for name in names if name in self._assigned):
                if self.text(value) is not None:
                    yield from ast.walk(value)


def _name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _assigned_once(nodes: list[ast.AST]) -> dict[str, ast.expr]:
    """Return the values of the names that are assigned once in a file, by name."""
    values: dict[str, ast.expr] = {}
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                values[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                values[name] = value
    stored = Counter(node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    arguments = {node.arg for node in nodes if isinstance(node, ast.arg)}
    return {name: value for name, value in values.items() if stored[name] == 1 and name not in arguments}
