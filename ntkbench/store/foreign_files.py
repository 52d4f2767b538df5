"""Handle foreign files: files in the cells folder that are not cells of the run. Readers report, the writer moves."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from ..errors import NtkbenchError
from ..reading import read_regular
from ..types import CellResult
from .cell_file import decode


def read_cell(file: str, key: str, planned: Collection[str] = ()) -> CellResult:
    """Return the result in a file.

    Args:
        file: Path of the file.
        key: Key of the cell that the file is named after.
        planned: Keys of all cells of the run; empty if they are not known.

    Raises:
        FileNotFoundError: The file does not exist.
        NtkbenchError: The file is unreadable or damaged, has another schema, or belongs to another cell or run.
    """
    try:
        text = read_regular(file)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NtkbenchError(f"{file} could not be read: {error.strerror or error}.") from None
    result = decode(text, file)
    cell = result.cell
    if cell.key != key:
        raise NtkbenchError(f"{file} contains the cell {cell.key}, not the cell that it is named after.")
    if planned and key not in planned:
        what = f"{cell.label or cell.architecture}, width {cell.width}, seed {cell.seed}, {cell.measurement}"
        raise NtkbenchError(f"{file} belongs to another run: this run did not plan {what}.")
    return result


def move_aside(file: Path, folder: Path) -> None:
    """Move a file into a folder, adding a number to its name if it is taken; raise OSError if that fails."""
    folder.mkdir(exist_ok=True)
    target, number = folder / file.name, 1
    while target.exists():
        number += 1
        target = folder / f"{file.stem}.{number}{file.suffix}"
    os.replace(file, target)


def describe_set_aside(folder: Path, planned: Collection[str] = ()) -> list[str]:
    """Return a sentence for each file that `move_aside` moved into a folder, with the reason."""
    sentences = []
    for file in sorted(folder.glob("*")):
        try:
            read_cell(str(file), file.name.partition(".")[0], planned)
            sentences.append(
                f"{file} was set aside, but is a valid cell of this run. Move it back to cells/ to use it."
            )
        except FileNotFoundError:
            continue
        except NtkbenchError as error:
            sentences.append(f"{error} It was set aside.")
    return sentences
