"""Check that a model's path is that of a file, and say what it is otherwise."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import NtkbenchError, did_you_mean


def require_file(path: Path) -> None:
    """Raise NtkbenchError if there is no regular file at `path`, with the names of similar files next to it."""
    if os.path.isfile(path):
        return
    if os.path.isdir(path):
        raise NtkbenchError(f"{path} is a folder. Give the path of a {path.suffix} file.")
    if os.path.islink(path):
        raise NtkbenchError(f"{path} is a link that leads to no file. Give the path of a {path.suffix} file.")
    if os.path.exists(path):
        raise NtkbenchError(f"{path} is not a regular file. Give the path of a {path.suffix} file.")
    near = [other.name for other in path.parent.glob(f"*{path.suffix}")] if os.path.isdir(path.parent) else []
    raise NtkbenchError(f"File not found: {path}. {did_you_mean(path.name, near) if near else ''}".strip())
