"""Files among a run's cells that hold no cell of that run: told to readers, set aside by the writer."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from ..errors import NtkbenchError
from ..types import CellResult
from .cell_file import decode


def read_cell(file: str, key: str, planned: Collection[str] = ()) -> CellResult:
    """Return the result in a file.

    key: of the cell that the file is named after.   planned: the keys of the run's cells; none where that is not known.
    Raises FileNotFoundError for a file that is not there, and NtkbenchError, saying why, for one that cannot be read,
    is damaged, of another schema, named after another cell, or of another run.
    """
    try:
        with open(file, "rb", buffering=0) as opened:
            text = opened.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NtkbenchError(f"{file} could not be read: {error.strerror or error}.") from None
    result = decode(text, file)
    cell = result.cell
    if cell.key != key:
        raise NtkbenchError(f"{file} holds the cell {cell.key}, not the one it is named after.")
    if planned and key not in planned:
        what = f"{cell.label or cell.architecture}, width {cell.width}, seed {cell.seed}, {cell.measurement}"
        raise NtkbenchError(f"{file} is of another run: no command of this one planned {what}.")
    return result


def move_aside(file: Path, folder: Path) -> None:
    """Move a file into a folder, under its own name or with a number. Raises OSError when the system refuses."""
    folder.mkdir(exist_ok=True)
    target, number = folder / file.name, 1
    while target.exists():
        number += 1
        target = folder / f"{file.stem}.{number}{file.suffix}"
    os.replace(file, target)


def told(folder: Path, planned: Collection[str] = ()) -> list[str]:
    """Return a sentence for each file that `move_aside` moved into a folder, saying why."""
    sentences = []
    for file in sorted(folder.glob("*")):
        try:
            read_cell(str(file), file.name.partition(".")[0], planned)
            sentences.append(f"{file} was set aside, and would count if it lay among the cells.")
        except FileNotFoundError:
            continue
        except NtkbenchError as error:
            sentences.append(f"{error} It was set aside.")
    return sentences
