"""A plugin whose cells have the faults that they are ordered to have, through files in a folder.

An order is a file named NUMBER-FAULT in a folder. The next cell that is measured anywhere takes it, by renaming it, and
has the fault: no two cells have one.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from pathlib import Path

from ntkbench import Quantity, hookimpl

FOLDER = "NTKBENCH_ORDERS"
CELL_SECONDS = 0.05
SLOW_SECONDS = 1.0
GIB = 2**30


def obey() -> None:
    """Have the fault of the oldest order, if there is one. None of them is in the way of the cell's next attempt."""
    time.sleep(CELL_SECONDS)
    orders = Path(os.environ[FOLDER])
    for order in sorted(orders.glob("*-*.order")):
        try:
            order.rename(order.with_suffix(".taken"))
        except FileNotFoundError:
            continue  # another cell was faster
        have(order.stem.partition("-")[2])
        return


def have(fault: str) -> None:
    """Have a fault."""
    if fault == "sleeps":
        time.sleep(1e6)
    elif fault == "hogs":
        import numpy as np

        held = []
        while True:
            held.append(np.ones(2**20))
    elif fault == "leaves":
        os._exit(0)
    elif fault == "interrupts":
        raise KeyboardInterrupt
    elif fault == "raises":
        raise RuntimeError("a poisoned plugin")
    elif fault == "slow":
        time.sleep(SLOW_SECONDS)


def value_of(width: int, seed: int) -> float:
    """Return the number that a cell has, whatever happened before."""
    return (1 + 0.01 * (seed * 7919 % 13)) / width


def measure(ctx):
    """Have the ordered fault, and return a number of the seed."""
    obey()
    return {"ordered": value_of(1, ctx.seed)}


class GroupWorker:
    """Stands for the one of `ntkbench.runner.worker` where a soak does without TensorFlow, to have more faults."""

    def __init__(self, cells, registry, device, gib=None):
        self.cells = cells

    def results(self):
        """Yield one result for each cell."""
        from ntkbench.types import CellResult, Status, Value

        for cell in self.cells:
            began = time.perf_counter()
            try:
                obey()
                values = {key: Value(value_of(1, cell.seed)) for key in cell.quantities}
                found = CellResult(cell=cell, status=Status.OK, values=values)
            except RuntimeError as error:
                found = CellResult(cell=cell, status=Status.FAILED, message=str(error))
            object.__setattr__(found, "seconds", time.perf_counter() - began)
            yield found


def serve(connection, setting) -> None:
    """Serve with the group worker above."""
    from stand_in import serve_with

    serve_with(GroupWorker, connection, setting)


def without_tensorflow() -> None:
    """Make the worker processes of this process do without TensorFlow."""
    from ntkbench.runner.executors import processes

    processes.serve = serve


def dask_setup(worker) -> None:
    """Do so in a Dask worker that preloads this module."""
    without_tensorflow()


def build(width):
    """Return a model of one weight."""
    from ntkbench_nothing import Net

    return Net()


@hookimpl
def ntkbench_register_architectures(register):
    """Register a model that costs nothing."""
    register("ordered", build, summary="one weight")


@hookimpl
def ntkbench_register_measurements(register):
    """Register a measurement with faults."""
    register("ordered", measure, quantities=[Quantity("ordered", "o", summary="a number")], summary="with faults")


def main() -> int:
    """Be the command line, with worker processes without TensorFlow."""
    without_tensorflow()
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # so that a soak can ask where it stands still
    from ntkbench.cli.main import main

    return main(sys.argv[1:])


if __name__ == "__main__":
    # As a module of that name, so that workers find `serve` by it.
    import ntkbench_orders

    sys.exit(ntkbench_orders.main())
