"""A plugin whose cells trigger faults on demand, through files in a folder.

An order is a file named NUMBER-FAULT.order. The next cell that is measured anywhere takes the order by renaming the
file and triggers the fault, so that each fault happens in one cell only.
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


def take_order() -> None:
    """Trigger the fault of the oldest order, if there is one. The order is taken, so a retry of the cell succeeds."""
    time.sleep(CELL_SECONDS)
    orders = Path(os.environ[FOLDER])
    for order in sorted(orders.glob("*-*.order")):
        try:
            order.rename(order.with_suffix(".taken"))
        except FileNotFoundError:
            continue  # another cell took it
        trigger(order.stem.partition("-")[2])
        return


def trigger(fault: str) -> None:
    """Trigger a fault."""
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
    """Return the value of a cell, which does not depend on faults."""
    return (1 + 0.01 * (seed * 7919 % 13)) / width


def measure(ctx):
    """Trigger the ordered fault, if any, and return a value that depends on the seed."""
    take_order()
    return {"ordered": value_of(1, ctx.seed)}


class GroupWorker:
    """Replacement of `ntkbench.runner.worker.GroupWorker` that does not need TensorFlow, for fast soak tests."""

    def __init__(self, cells, registry, device, gib=None):
        self.cells = cells

    def results(self):
        """Yield one result for each cell."""
        from ntkbench.types import CellResult, Status, Value

        for cell in self.cells:
            began = time.perf_counter()
            try:
                take_order()
                values = {key: Value(value_of(1, cell.seed)) for key in cell.quantities}
                found = CellResult(cell=cell, status=Status.OK, values=values)
            except RuntimeError as error:
                found = CellResult(cell=cell, status=Status.FAILED, message=str(error))
            object.__setattr__(found, "seconds", time.perf_counter() - began)
            yield found


def serve(connection, setting) -> None:
    """Run a worker process with the GroupWorker of this module."""
    from stand_in import serve_with

    serve_with(GroupWorker, connection, setting)


def without_tensorflow() -> None:
    """Replace the worker processes of this process by ones without TensorFlow."""
    from ntkbench.runner.executors import processes

    processes.serve = serve


def dask_setup(worker) -> None:
    """Do the same in a Dask worker that preloads this module."""
    without_tensorflow()


def build(width):
    """Return a model with one weight."""
    from ntkbench_nothing import Net

    return Net()


@hookimpl
def ntkbench_register_architectures(register):
    """Register a trivial model."""
    register("ordered", build, summary="one weight")


@hookimpl
def ntkbench_register_measurements(register):
    """Register the measurement that triggers faults."""
    register("ordered", measure, quantities=[Quantity("ordered", "o", summary="a number")], summary="with faults")


def main() -> int:
    """Run the command line with worker processes that do not import TensorFlow."""
    without_tensorflow()
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # lets the soak test dump stack traces of a hung command
    from ntkbench.cli.main import main

    return main(sys.argv[1:])


if __name__ == "__main__":
    # Import under the module's name, so that workers can unpickle `serve`.
    import ntkbench_orders

    sys.exit(ntkbench_orders.main())
