"""Find the source files that results depend on, without running them, and compute a fingerprint of their contents.

A user's file depends on itself, on the modules that it imports and that are not installed packages, and on the files
that any of these name and do not write; see `NamedPaths`. An entry of a plugin depends on all files of the plugin's
package. Both depend on the layer rules of other plugins that may apply to their layers, and on the files that their
parameters name. Python, TensorFlow, Keras and other installed packages are provenance: they are recorded with every
result, but are not part of a cell's identity.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import inspect
import os
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from ..types import digest
from .files_below import files_below
from .named_paths import NamedPaths, only_written
from .session_code import Description
from .sources import GROUP
from .specs import Entry, Late

OWN = __name__.partition(".")[0]
_MOST_FILES = 5000
_INSTALLED = ("site-packages", "dist-packages")


@frozen
class Code:
    """The source files that an entry depends on.

    Attributes:
        files: Hash of the contents of each file, by the file's name in messages.
        paths: Path of each file on this machine.
        modules: Top-level names of the modules that the files belong to or import, installed packages included.
    """

    files: Mapping[str, str] = field(factory=dict)
    paths: Mapping[str, Path] = field(factory=dict, eq=False, repr=False)
    modules: frozenset[str] = field(default=frozenset(), eq=False, repr=False)

    @property
    def fingerprint(self) -> str:
        """Hash of all contents, 32 hexadecimal digits; the file's own hash for a single file, "" for no files."""
        if len(self.files) == 1:
            return next(iter(self.files.values()))
        return digest(dict(self.files), 32) if self.files else ""


def hash_of(content: bytes) -> str:
    """Return the hash of a file's contents, 32 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()[:32]


def code_of_file(path: Path) -> Code:
    """Return the code of a user's file: the file and everything it imports, even indirectly, that is not installed."""
    path = path.resolve()  # Python imports what lies beside the file itself, not beside a link to it
    search = _Search(path.parent)
    search.add(path)
    return search.found()


def code_of_entry(entry: Entry) -> Code:
    """Return the code of a registered entry; empty for built-in entries, whose code `numerics_version` stands for.

    For a plugin, it is every file of the packages that contain the plugin's entry points, the entry's target and its
    limit. For a decorated function, it is the function's file; in an interactive session, where it has none, it is the
    function and everything that it refers to.
    """
    if entry.distribution == OWN:
        return Code()
    if not isinstance(entry.target, str | Late):
        return _code_of_function(entry.target)
    modules = list(_entry_modules(entry.distribution))
    targets = (entry.target, getattr(entry, "limit", None))
    modules += [target.partition(":")[0] for target in targets if isinstance(target, str)]
    search = _Search()
    for module in dict.fromkeys(name.partition(".")[0] for name in modules):
        search.add_module(module, whole=True)
    return search.found()


def with_layer_rules(code: Code, rules: Iterable[Entry], distribution: str) -> Code:
    """Return the code together with that of other plugins' layer rules that may apply to its models.

    A rule may apply if the code imports the module of the rule's layer; a rule for one of Keras's layers always may.
    Code without files, such as that of built-in entries, is returned as it is.

    Args:
        code: The code of an architecture.
        rules: The registered layer rules.
        distribution: The plugin of the architecture, all of whose files belong to the code already; "" for none.
    """
    files, paths = dict(code.files), dict(code.paths)
    for rule in rules if files else ():
        if rule.distribution not in (OWN, distribution) and _module_of(rule) in {*code.modules, "keras"}:
            other = code_of_entry(rule)
            files |= {f"{rule.distribution}/{name}": other.files[name] for name in other.files}
            paths |= {f"{rule.distribution}/{name}": other.paths[name] for name in other.paths}
    return Code(files, paths, code.modules)


def with_named_files(code: Code, texts: Mapping[str, str], folder: Path | None) -> Code:
    """Return the code together with the files that parameters name, unless the code only writes them.

    Code without files, such as that of built-in entries, is returned as it is.

    Args:
        code: The code of an architecture.
        texts: The values of its parameters that are strings.
        folder: Folder of the user's file, to which names may be relative; None for a plugin.
    """
    files, paths = dict(code.files), dict(code.paths)
    named = _named_files(texts if files else {}, folder)
    if named.paths and (written := _written_arguments(code, texts)):
        named = _named_files({name: text for name, text in texts.items() if name not in written}, folder)
    for name, path in named.paths.items():
        if path not in code.paths.values():
            free = name
            while free in files:
                free = f"{path.parent.name}/{free}"
            files[free], paths[free] = named.files[name], path
    return Code(files, paths, code.modules)


def _named_files(texts: Mapping[str, str], folder: Path | None) -> Code:
    search = _Search(folder)
    for text in texts.values():
        search.add_data(folder or Path.cwd(), text)
    return search.found()


def _written_arguments(code: Code, names: Iterable[str]) -> set[str]:
    """Return those of some arguments that name files which the code writes and does not read."""
    uses: dict[str, set[bool | None]] = {name: set() for name in names}
    for path in code.paths.values():
        if path.suffix == ".py":
            with contextlib.suppress(OSError, SyntaxError, ValueError, RecursionError):
                for name, found in NamedPaths(path, ast.parse(path.read_bytes())).uses(uses).items():
                    uses[name] |= found
    return {name for name, found in uses.items() if only_written(found)}


def _module_of(rule: Entry) -> str:
    return rule.name.partition(":")[0].partition(".")[0]


def _entry_modules(distribution: str) -> Iterator[str]:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError, ValueError):
        for point in importlib.metadata.distribution(distribution).entry_points:
            if point.group == GROUP:
                yield point.module


def _code_of_function(function: Callable[..., Any]) -> Code:
    plain = inspect.unwrap(function)
    with contextlib.suppress(TypeError):
        source = inspect.getsourcefile(plain)
        if source is not None and Path(source).is_file():
            return code_of_file(Path(source))
    description = Description(_is_installed)
    described = description.of(plain)
    search = _Search()
    for path in sorted(description.files):
        search.add(path)
    for module in sorted(description.modules):
        search.add_module(module)
    found = search.found()
    if described is None:
        return found
    name = getattr(plain, "__qualname__", type(plain).__name__)
    return Code({**found.files, name: digest(described, 32)}, found.paths, found.modules)


class _Search:
    """Collects files and the files that they depend on.

    Args:
        folder: Folder whose modules take precedence over installed ones.
    """

    def __init__(self, folder: Path | None = None):
        self.folder = folder
        self._on_path: list[Path] = []
        self._paths: dict[Path, str] = {}
        self._modules: set[str] = set()
        self._searched: set[tuple[str, bool]] = set()

    def found(self) -> Code:
        """Return the collected files."""
        files, paths = {}, {}
        for path, name in sorted(self._paths.items(), key=lambda each: each[1]):
            with contextlib.suppress(OSError):
                files[name] = hash_of(path.read_bytes())
                paths[name] = path
        return Code(files, paths, frozenset(self._modules))

    def add(self, path: Path, name: str = "", package: tuple[str, ...] = ()) -> None:
        """Add a file and, if it is Python, its dependencies. package: names of the packages that contain the file."""
        path = path.resolve()
        if path in self._paths or len(self._paths) >= _MOST_FILES:
            return
        name = name or path.name
        while name in self._paths.values():  # a file of the same name in another folder
            name = f"{path.parent.name}/{name}"
        self._paths[path] = name
        if path.suffix == ".py":
            with contextlib.suppress(OSError, SyntaxError, ValueError, RecursionError):
                tree = ast.parse(path.read_bytes())
                named = NamedPaths(path, tree)
                self._on_path += [each for each in named.import_folders() if not _is_installed(each)]
                for module in _imported(tree, package):
                    self.add_module(module)
                for text in named.files():
                    self.add_data(path.parent, text)

    def add_data(self, beside: Path, text: str) -> None:
        """Add a file that a Python file names: in the same folder, in the working directory, or in a subfolder."""
        with contextlib.suppress(OSError, ValueError):
            for folder in dict.fromkeys((beside, Path.cwd())):
                path = folder / os.path.expanduser(text)
                if path.is_file():
                    self.add(path, _name_in(folder, path))
                    return
            for path in self._below.get(os.path.basename(text), ()) if "." in text else ():
                if path.parts[-len(Path(text).parts) :] == Path(text).parts:
                    self.add(path, _name_in(beside, path))

    def add_module(self, module: str, *, whole: bool = False) -> None:
        """Add a module by its dotted name, with the package that contains it, unless it is installed.

        whole: add it even if it is installed, with all files of its package, not only Python files.
        """
        top = module.partition(".")[0]
        self._modules.add(top)
        if not top or top == OWN or top in sys.stdlib_module_names or (top, whole) in self._searched:
            return
        self._searched.add((top, whole))
        own = self._in_folder(top)
        for place in own or _places(top) or self._in_subfolders(top):
            if not (own or whole or not _is_installed(place)):
                continue
            if place.is_dir():
                for file in files_of(place, python_only=not whole):
                    inside = file.relative_to(place)
                    self.add(file, f"{top}/{inside.as_posix()}", (top, *inside.parent.parts))
            else:
                self.add(place)

    def _in_folder(self, top: str) -> list[Path]:
        """Return the module in the folder that takes precedence, or in the folders that files add to `sys.path`."""
        for folder in (*([self.folder] if self.folder is not None else []), *self._on_path):
            file, package = folder / f"{top}.py", folder / top
            if (package / "__init__.py").is_file():
                return [package]
            if file.is_file():
                return [file]
            if package.is_dir() and next(files_of(package, python_only=True), None):
                return [package]
        return []

    def _in_subfolders(self, top: str) -> list[Path]:
        """Return the modules of this name in subfolders, which a file may add to `sys.path` in a way not seen here."""
        packages = [path.parent for path in self._below.get("__init__.py", ()) if path.parent.name == top]
        return [*packages, *self._below.get(f"{top}.py", ())]

    @functools.cached_property
    def _below(self) -> dict[str, list[Path]]:
        return {} if self.folder is None else files_below(self.folder)


def _name_in(folder: Path, path: Path) -> str:
    """Return the name of a file in messages: relative to a folder if it is inside."""
    folder, path = folder.resolve(), path.resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def _imported(tree: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    """Yield the modules that a file imports, including inside functions and by `importlib.import_module("name")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if not node.level:
                yield node.module or ""
            elif not package:  # "from . import helper" in a file outside any package
                yield from [node.module] if node.module else [alias.name for alias in node.names]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value


def _places(top: str) -> list[Path]:
    """Return the folders or the file of the module that Python would import, without importing it."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return [Path(place) for place in spec.submodule_search_locations]
    return [Path(spec.origin)] if spec.has_location and spec.origin else []


def _is_installed(place: Path) -> bool:
    own = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    return not set(_INSTALLED).isdisjoint(place.parts) or any(place.is_relative_to(each) for each in own if each)


def files_of(place: Path, *, python_only: bool = False) -> Iterator[Path]:
    """Yield the files of a package, without bytecode, backup and hidden files."""
    for parent, folders, names in os.walk(place):
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.startswith("."))
        for name in sorted(names):
            if name.startswith(".") or name.endswith((".pyc", "~")) or (python_only and not name.endswith(".py")):
                continue
            yield Path(parent, name)
