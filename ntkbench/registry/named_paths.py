"""Find the files and folders that a Python file names, from its syntax tree, without running it.

A name may be one string, or be put together from several: `HERE / "data" / "scale.txt"`, `os.path.join(HERE, "data",
"scale.txt")`, `f"{HERE}/scale.txt"`, `Path(__file__).with_suffix(".json")`, where HERE is assigned once in the file.

A file that is only written does not count: a run that appends to a log must not find that its own code has changed. An
argument names such a file if it is passed to a call that writes, such as `open(log, "a")`, and apart from that only to
calls that read no file, such as `print`. In doubt it counts as read.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
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
_PATHS = {*_SAME, *_JOINS, *_CHANGES, "dirname", "format"}
_WRITES = ("write", "save", "touch", "unlink", "to_csv", "FileHandler", "CSVLogger")
_READS_NOTHING = {"print", "basename", "exists", "is_file", "isfile", "mkdir", "makedirs", "debug", "info", "warning"}


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
        """Yield the names of files that the file may read; names of files that it writes are excluded."""
        written = {id(part) for node in self._nodes if isinstance(node, ast.Call) for part in self._written(node)}
        defaults = self._defaults()
        uses = self.uses(name for name, _ in defaults)
        written |= {id(part) for name, value in defaults if only_written(uses[name]) for part in ast.walk(value)}
        for node in self._nodes:
            if not isinstance(node, ast.expr) or isinstance(node, ast.Name) or id(node) in written:
                continue
            text = self.text(node)
            if not text or len(os.path.basename(text)) > _LONGEST_NAME or not text.isprintable():
                continue
            if "." in text.strip(".") or not isinstance(node, ast.Constant):
                yield text

    def uses(self, names: Iterable[str]) -> dict[str, set[bool | None]]:
        """Return whether functions that take these arguments write the files that they name; see `only_written`."""
        found: dict[str, set[bool | None]] = {name: set() for name in names}
        for function in self._nodes if found else ():
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                given = function.args
                taken = {arg.arg for arg in (*given.posonlyargs, *given.args, *given.kwonlyargs)} & found.keys()
                for node in ast.walk(function) if taken else ():
                    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in taken:
                        found[node.id].add(self._is_written(node))
        return found

    def _is_written(self, name: ast.Name) -> bool | None:
        """Return whether the file that a name stands for is written where it is used; None if it is not opened."""
        node: ast.AST = name
        while parent := self._parents.get(node):
            match parent:
                case ast.Call() if self._writes(parent):
                    return True
                case ast.Call() if (called := _name_of(parent)) not in _PATHS:
                    return None if called in _READS_NOTHING else False
                case ast.Assign(targets=[ast.Name(id=target)]):
                    return None if target == name.id else False
                case ast.Compare() | ast.UnaryOp(op=ast.Not()):
                    return None
                case ast.If(test=test) | ast.IfExp(test=test) if test is node:
                    return None
                case ast.NamedExpr() | ast.stmt():
                    return False
            node = parent
        return False

    @functools.cached_property
    def _parents(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in self._nodes for child in ast.iter_child_nodes(node)}

    def _defaults(self) -> list[tuple[str, ast.expr]]:
        """Return the arguments with their default values where these are strings or paths."""
        pairs: list[tuple[ast.arg, ast.expr | None]] = []
        for node in self._nodes:
            if isinstance(node, ast.arguments):
                positional = [*node.posonlyargs, *node.args]
                pairs += zip(positional[len(positional) - len(node.defaults) :], node.defaults, strict=True)
                pairs += zip(node.kwonlyargs, node.kw_defaults, strict=True)
        return [(arg.arg, value) for arg, value in pairs if value is not None and self.text(value)]

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

    def _writes(self, call: ast.Call) -> bool:
        """Return whether a call writes a file: open("log.txt", "a"), Path("log.txt").write_text(...)."""
        called = _name_of(call)
        modes = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
        texts = [mode.value for mode in modes if isinstance(mode, ast.Constant) and isinstance(mode.value, str)]
        opens = called == "open" and any(set("wax") & set(text) and set(text) <= set("rwaxbt+") for text in texts)
        return opens or called.startswith(_WRITES)

    def _written(self, call: ast.Call) -> Iterator[ast.AST]:
        """Yield the nodes of a call that writes a file, without those of inner calls, which may read one.

        A name stands for the path that was assigned to it.
        """
        if not self._writes(call):
            return
        yield from self._without_reads(call)
        for target in (call.func, *call.args[:1]):
            names = (part.id for part in self._without_reads(target) if isinstance(part, ast.Name))
            for value in (self._assigned[name] for name in names if name in self._assigned):
                if self.text(value) is not None:
                    yield from ast.walk(value)

    def _without_reads(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield a node and those below it, except for calls that may read a file."""
        left = [node]
        while left:
            node = left.pop()
            if not isinstance(node, ast.Call) or self._writes(node) or _name_of(node) in _PATHS:
                yield node
                left += ast.iter_child_nodes(node)


def only_written(uses: set[bool | None]) -> bool:
    """Return whether a file is written and not read by uses of its name: True: written, False: read, None: neither."""
    return True in uses and False not in uses


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
