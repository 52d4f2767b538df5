"""Where the blocks of a tangent kernel go: an array in memory, or a file that is mapped while it is written."""

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

    shape: (N, M) or (N, M, O, O).
    """

    where = ""

    def __init__(self, count: int, shape: tuple[int, ...], dtype: Any):
        self.count, self.shape, self.dtype = count, shape, np.dtype(dtype)
        self.trace = len(shape) == 2
        self.kernels: list[np.ndarray] = []

    def write(
        self, rows: slice, columns: slice, left: slice, right: slice, blocks: Sequence[Any], add: bool = False
    ) -> None:
        """Put blocks [N, M] or [N, O, M, O] of every kernel at some rows and columns and output units left and right.

        add: add them to what is there.   Raises NotFinite.
        """
        for i, block in enumerate(blocks):
            block = np.asarray(block)
            if not np.isfinite(block).all():
                raise NotFinite("The kernel is not finite.")
            block = block if self.trace else block.transpose(0, 2, 1, 3)
            if block.shape == self.shape:
                self._put(i, np.ascontiguousarray(block))
                continue
            at = (rows, columns) if self.trace else (rows, columns, left, right)
            target = self._target(i)
            target[at] = target[at] + block if add else block

    def flush(self) -> None:
        """Called after every block of rows."""

    def _put(self, i: int, kernel: np.ndarray) -> None:
        # What TensorFlow made is its own and read-only.
        self.kernels.append(kernel if kernel.flags.owndata and kernel.flags.writeable else kernel.copy())

    def _target(self, i: int) -> np.ndarray:
        while len(self.kernels) < self.count:
            self.kernels.append(np.empty(self.shape, self.dtype))
        return self.kernels[i]


class FileStore(Store):
    """One kernel in a NumPy file, under another name until it is complete."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: Any):
        super().__init__(1, shape, dtype)
        self.path, self.partial = path, path.with_name(f"{path.name}.partial")
        self.where = f" to {path}"
        self._open: np.ndarray | None = np.lib.format.open_memmap(self.partial, "w+", self.dtype, shape)

    def flush(self) -> None:
        """Let go of the mapping: what it has touched counts as this process's memory."""
        self._open = None

    def _put(self, i: int, kernel: np.ndarray) -> None:
        self._target(i)[...] = kernel

    def _target(self, i: int) -> np.ndarray:
        if self._open is None:
            self._open = np.lib.format.open_memmap(self.partial, "r+")
        return self._open


@contextlib.contextmanager
def file_store(path: Any, shape: tuple[int, ...], dtype: Any) -> Iterator[FileStore]:
    """Let the scope fill a file, which gets its name when the scope ends well. Raises NtkbenchError when it cannot."""
    path = Path(path)
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if not path.parent.is_dir() or path.is_dir():
        raise NtkbenchError(f"out={str(path)!r} is no file in an existing folder; the kernel cannot go there.")
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise NtkbenchError(f"The kernel takes {gib(size)}, and the disk of {path} has {gib(free)} left.")
    try:
        store = FileStore(path, shape, dtype)
    except OSError as error:
        raise NtkbenchError(f"out={str(path)!r} cannot be written: {error.strerror or error}.") from error
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
