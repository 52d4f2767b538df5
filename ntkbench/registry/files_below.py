"""List the files in the subfolders of a user's file, within bounds: it may lie in a large folder."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from pathlib import Path

_DEEPEST = 3
_MOST_FOLDERS = 200
_MOST_FILES = 5000
_OTHERS = ("__pycache__", "node_modules", "site-packages")
_MARKS = ({"pyvenv.cfg"}, {"manifest.json", "cells"})
"""Names that mark folders of other kinds: a virtual environment, and a run, whose files change while it is measured."""


def files_below(folder: Path) -> dict[str, list[Path]]:
    """Return the files in the subfolders of a folder by their names, nearest first, without hidden ones."""
    found: dict[str, list[Path]] = {}
    folders, count = deque([(folder, 0)]), 0
    for _ in range(_MOST_FOLDERS):
        if not folders or count > _MOST_FILES:
            break
        place, depth = folders.popleft()
        with contextlib.suppress(OSError):
            entries = sorted((e for e in os.scandir(place) if not e.name.startswith(".")), key=lambda entry: entry.name)
            names = {entry.name for entry in entries}
            if depth and any(mark <= names for mark in _MARKS):
                continue
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if depth < _DEEPEST and entry.name not in _OTHERS:
                        folders.append((Path(entry.path), depth + 1))
                elif depth:
                    found.setdefault(entry.name, []).append(Path(entry.path))
                    count += 1
    return found
