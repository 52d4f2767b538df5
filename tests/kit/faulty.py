"""Worker processes without TensorFlow, in which cells have faults: hung, greedy, killed, poisoned, lost on the way.

Everything but the measuring itself is what runs use: `serve` is, and a group worker that stands for the real one.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
from whole_runs.stand_in import serve_with

from ntkbench.types import Cell, CellResult, Status, Value

FOLDER = "FAULTS_HAPPENED_IN"
SLEEPS, HOGS, KILLED, LEAVES, INTERRUPTS, PRINTS, RAISES = FAULTS = (105, 106, 107, 108, 110, 111, 112)
"""Widths whose first cell has a fault, once: the next seed, and the next run, find a mark that it has happened."""
SLOW, SLOW_SECONDS = 120, 0.25


def fault(width: int) -> None:
    """Have the fault of a width, unless it has happened."""
    mark = Path(os.environ[FOLDER], f"{width}.happened")
    if width not in FAULTS or mark.exists():
        return
    mark.write_text(str(os.getpid()))
    if width == SLEEPS:
        time.sleep(1e6)
    elif width == HOGS:
        held = [np.ones(2**22) for _ in range(32 * 60)]  # 60 GiB
        del held
    elif width == KILLED:
        os.kill(os.getpid(), signal.SIGKILL)
    elif width == LEAVES:
        os._exit(0)
    elif width == INTERRUPTS:
        raise KeyboardInterrupt
    elif width == RAISES:
        raise ZeroDivisionError("no width")
    print("this is no table")


def dask_setup(worker) -> None:
    """Make a Dask worker that preloads this module start such worker processes."""
    from ntkbench.runner.executors import processes

    processes.serve = serve


def measured(cell: Cell) -> CellResult:
    """Return a result whose numbers follow from the cell alone."""
    values = {key: Value(1.0 + int(cell.key[:6], 16) / cell.width) for key in cell.quantities}
    return CellResult(cell=cell, status=Status.OK, values=values, seconds=0.01, device="cpu")


class GroupWorker:
    """Stands for the one of `ntkbench.runner.worker`."""

    def __init__(self, cells, registry, device, gib=None, workspaces=None, functions=None, say=None, watch=None):
        self.cells = cells

    def results(self):
        for cell in self.cells:
            fault(cell.width)
            time.sleep(SLOW_SECONDS if cell.width == SLOW else 0.0)
            yield measured(cell)


def serve(connection, setting) -> None:
    """Serve with the group worker above."""
    serve_with(GroupWorker, connection, setting)
