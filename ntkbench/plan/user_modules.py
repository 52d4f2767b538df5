"""What a user's file imports from its own folder, kept apart from the modules of other folders.

Python knows one module of each name. Two files in two folders may each have a `helper.py` beside them, so the modules
of one folder are set aside while those of another are in use.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

_lock = threading.RLock()


class _Folder(MetaPathFinder):
    """Finds the modules of one folder before those that are installed, Python's own excepted.

    version: of the files' contents; another version is another folder to us.   own: the modules that were found here.
    hidden: modules of the same names that were there before.
    """

    def __init__(self, path: Path, version: str, names: Iterable[str]):
        self.path, self.version, self.names = path, version, frozenset(names)
        self.own: dict[str, ModuleType] = {}
        self.hidden: dict[str, ModuleType] = {}
        self._found: set[str] = set()

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """Return the module's place in the folder, None where it has none."""
        if path is not None or name in sys.stdlib_module_names:
            return None
        spec = PathFinder.find_spec(name, [str(self.path)])
        if spec is None or (spec.loader is None and PathFinder.find_spec(name) is not None):
            return None  # a folder without __init__.py hides no package that is installed
        self._found.add(name)
        return spec

    def enter(self) -> None:
        """Let `import` find this folder's modules."""
        importlib.invalidate_caches()
        self.hidden = _taken(self.names)
        sys.modules.update(self.own)
        sys.meta_path.insert(0, self)

    def leave(self) -> None:
        """Let `import` find what it found before."""
        sys.meta_path.remove(self)
        self.own = _taken(self._found)
        sys.modules.update(self.hidden)


def _taken(tops: Iterable[str]) -> dict[str, ModuleType]:
    """Take these modules, and those inside them, out of the ones that are imported; return them by name."""
    tops = set(tops)
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in tops}


_folders: dict[Path, _Folder] = {}
_active: _Folder | None = None


def enter(path: Path, version: str, names: Iterable[str]) -> None:
    """Let what is imported from now on be found in a folder first, until another one is entered or `leave` is called.

    Args:
        path: the folder of a user's file.
        version: a fingerprint of the files. Modules of another version are forgotten and imported anew.
        names: the modules that the file imports from there. Others of the same names are put aside meanwhile.
    """
    global _active
    with _lock:
        folder = _folders.get(path)
        if folder is None or folder.version != version:
            folder = _folders[path] = _Folder(path, version, names)
        if folder is not _active:
            leave()
            folder.enter()
            _active = folder


def leave() -> None:
    """Let `import` find what it found before any folder was entered."""
    global _active
    with _lock:
        if _active is not None:
            _active.leave()
        _active = None
