"""Keep apart the modules that users' files import from their own folders.

Python keeps one module per name in `sys.modules`, but two files in different folders may each have a `helper.py`
beside them. The modules of one folder are removed from `sys.modules` while another folder is active.
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
    """Import finder that prefers the modules of one folder to installed ones, but not to the standard library.

    Attributes:
        path: The folder.
        version: Fingerprint of the file contents; a new version is treated as a new folder.
        names: Modules that the user's file imports from the folder.
        own: The modules imported from the folder.
        hidden: Modules of the same names that were imported before.
    """

    def __init__(self, path: Path, version: str, names: Iterable[str]):
        self.path, self.version, self.names = path, version, frozenset(names)
        self.own: dict[str, ModuleType] = {}
        self.hidden: dict[str, ModuleType] = {}
        self._found: set[str] = set()

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """Return the spec of a module in the folder, None when the folder has no such module."""
        if path is not None or name in sys.stdlib_module_names:
            return None
        spec = PathFinder.find_spec(name, [str(self.path)])
        if spec is None or (spec.loader is None and PathFinder.find_spec(name) is not None):
            return None  # a folder without __init__.py must not hide an installed package
        self._found.add(name)
        return spec

    def enter(self) -> None:
        """Make `import` search this folder first."""
        importlib.invalidate_caches()
        self.hidden = _taken(self.names)
        sys.modules.update(self.own)
        sys.meta_path.insert(0, self)

    def leave(self) -> None:
        """Restore the modules that were imported before `enter`."""
        sys.meta_path.remove(self)
        self.own = _taken(self._found)
        sys.modules.update(self.hidden)


def _taken(tops: Iterable[str]) -> dict[str, ModuleType]:
    """Remove these modules and their submodules from `sys.modules`; return them by name."""
    tops = set(tops)
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in tops}


_folders: dict[Path, _Folder] = {}
_active: _Folder | None = None


def enter(path: Path, version: str, names: Iterable[str]) -> None:
    """Make imports search a folder first, until another folder is entered or `leave` is called.

    Args:
        path: Folder of a user's file.
        version: Fingerprint of the files. Modules of another version are dropped and imported again.
        names: Modules that the file imports from the folder. Other modules of these names are hidden meanwhile.
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


def forget(path: Path) -> None:
    """Drop the modules of a folder, so that they are imported again when it is entered."""
    with _lock:
        folder = _folders.pop(path, None)
        if folder is not None and folder is _active:
            leave()


def leave() -> None:
    """Restore the modules that were imported before any folder was entered."""
    global _active
    with _lock:
        if _active is not None:
            _active.leave()
        _active = None
