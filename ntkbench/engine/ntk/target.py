"""Targets for the blocks of a tangent kernel: an array in memory, or a memory-mapped file."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import NtkbenchError
from ..budget import gib
from ..checks import NotFinite


class Store:
    """L kernels [N, M], or [N, M, O, O] for all pairs of output units, in memory.

    Args:
        count: Number L of kernels.
        shape: (N, M) or (N, M, O, O).
        dtype: Type of the entries.
    """

    where = ""

    def __init__(self, count: int, shape: tuple[int, ...], dtype: Any):
        self.count, self.shape, self.dtype = count, shape, np.dtype(dtype)
        self.trace = len(shape) == 2
        self.kernels: list[np.ndarray] = []

    def write(
        self, rows: slice, columns: slice, left: slice, right: slice, blocks: Sequence[Any], add: bool = False
    ) -> None:
        """Write a block [N, M] or [N, O, M, O] of every kernel.

        Args:
            rows: Samples on the left side.
            columns: Samples on the right side.
            left: Output units on the left side.
            right: Output units on the right side.
            blocks: One block per kernel.
            add: Whether to add to the existing values.

        Raises:
            NotFinite: If a block is not finite.
        """
        for i, given in enumerate(blocks):
            block = np.asarray(given)
            if not np.isfinite(block).all():
                raise NotFinite("The kernel is not finite.")
            if not self.trace:
                block = block.transpose(0, 2, 1, 3)
            if block.shape == self.shape:
                self._put(i, np.ascontiguousarray(block))
                continue
            at = (rows, columns) if self.trace else (rows, columns, left, right)
            target = self._target(i)
            target[at] = target[at] + block if add else block

    def flush(self) -> None:
        """Flush the target; called after every block of rows."""

    def _put(self, i: int, kernel: np.ndarray) -> None:
        # Arrays from TensorFlow are read-only views of its memory.
        self.kernels.append(kernel if kernel.flags.owndata and kernel.flags.writeable else kernel.copy())

    def _target(self, i: int) -> np.ndarray:
        while len(self.kernels) < self.count:
            self.kernels.append(np.empty(self.shape, self.dtype))
        return self.kernels[i]


class FileStore(Store):
    """One kernel in a NumPy file, under a temporary name until it is complete."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: Any):
        super().__init__(1, shape, dtype)
        self.path, self.partial = path, path.with_name(f"{path.name}.partial")
        self.where = f" to {path}"
        self._open: np.ndarray | None = np.lib.format.open_memmap(self.partial, "w+", self.dtype, shape)

    def flush(self) -> None:
        """Close the mapping, because the pages it has touched count as memory of this process."""
        self._open = None

    def _put(self, i: int, kernel: np.ndarray) -> None:
        self._target(i)[...] = kernel

    def _target(self, i: int) -> np.ndarray:
        if self._open is None:
            self._open = np.lib.format.open_memmap(self.partial, "r+")
        return self._open


@contextlib.contextmanager
def file_store(path: Any, shape: tuple[int, ...], dtype: Any) -> Iterator[FileStore]:
    """Provide a store in a file, which is renamed to `path` if the scope ends without an exception.

    Raises:
        NtkbenchError: If the file cannot be created or does not fit on the disk.
    """
    path = Path(path)
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if not path.parent.is_dir() or path.is_dir():
        raise NtkbenchError(
            f"Cannot write the kernel to out={str(path)!r}; give the path of a file in an existing folder."
        )
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise NtkbenchError(
            f"The kernel needs {gib(size)}, but the disk of {path} has {gib(free)} free; use another disk."
        )
    try:
        store = FileStore(path, shape, dtype)
    except OSError as error:
        raise NtkbenchError(f"Cannot write the kernel to out={str(path)!r}: {error.strerror or error}.") from error
    try:
        yield store
        store.flush()
        with open(store.partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(store.partial, path)
    except BaseException:
        store.flush()
        store.partial.unlink(missing_ok=True)
        raise
