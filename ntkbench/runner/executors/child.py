"""The main loop of a worker process: receive groups of cells over a connection and send back each cell's result."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection, wait
from pathlib import Path

from attrs import field, frozen

from ...errors import NtkbenchError
from ...registry.code import Code
from ...registry.current import block, registry
from ...registry.specs import Architecture
from ...streams import print_to_standard_error
from ..limits import NO_LIMITS, Limits

BLAS_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SAFE_PATH, OURS = "PYTHONSAFEPATH", "ntkbench"
GC_THRESHOLDS = (50_000, 20, 100)  # for rare collections in a worker
OOM_SCORE_ADJUSTMENT = "500"  # makes Linux's out-of-memory killer choose workers before their parent


@frozen
class Setting:
    """Settings sent to every worker once.

    Attributes:
        device: Device, as in `--device`.
        architectures: The user's own architectures, by name.
        blocked: Plugins to leave out.
        threads: Number of threads of each worker on a CPU.
        workers: Number of workers, which share the memory of a GPU.
        limits: Limits of each cell.
        built_in: Whether all models are built by ntkbench's own code.
        code: The planned code; see `Plan.code`.
    """

    device: str
    architectures: Mapping[str, Architecture]
    blocked: frozenset[str]
    threads: int
    limits: Limits = NO_LIMITS
    built_in: bool = False
    workers: int = 1
    code: Mapping[str, Code] = field(factory=dict)


def serve(connection: Connection, setting: Setting) -> None:
    """Run a worker process: measure the groups received over the connection until it is closed.

    Sends ("ready", device) once, ("result", CellResult) for each cell, ("stage", text) where its measurement reports
    one, ("refused", sentence) if the worker cannot
    start, and ("lost", sentence) if a cell has broken the process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of the terminal; the parent handles it
    gc.disable()  # imports create many objects that stay; collecting among them would take a third of their time
    started()
    end_with_parent()
    _raise_oom_score()
    print_to_standard_error()  # standard output is reserved for tables; plugins may print
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent has exited
        try:
            device = _prepared(setting)
        except NtkbenchError as error:
            connection.send(("refused", str(error)))
            return
        from ..code_watch import CodeWatch
        from ..saved_functions import opened
        from ..worker import GroupWorker, sentence

        functions = opened() if device.startswith("cpu") else None
        known, watch = registry().with_architectures(setting.architectures), CodeWatch(setting.code)
        # Tracing creates many long-lived objects; the default thresholds would spend a tenth of its time on collection.
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        gc.enable()
        connection.send(("ready", device))

        def say(stage: str) -> None:
            connection.send(("stage", stage))

        while True:
            cells, workspaces = connection.recv()
            try:
                gib = setting.limits.gib
                for result in GroupWorker(cells, known, device, gib, workspaces, functions, say, watch).results():
                    connection.send(("result", result))
            except (EOFError, BrokenPipeError, ConnectionResetError):
                raise
            except BaseException as error:  # for example KeyboardInterrupt, which only a plugin can raise here
                connection.send(("lost", sentence(error)))
                return
            gc.collect()  # frees the graphs of the group


@contextlib.contextmanager
def safe_path() -> Iterator[None]:
    """Let a user's types.py or json.py not replace Python's own module in processes that are started in the block.

    Python puts the working directory first in the search path of a spawned process, until multiprocessing sets the path
    of the parent.
    """
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = before or OURS
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(SAFE_PATH, None)


@contextlib.contextmanager
def blas_threads(count: int) -> Iterator[None]:
    """Give NumPy's linear algebra so many threads in processes that are started in the block, unless the user has.

    NumPy reads their number when it is imported, before a worker runs any code of ours.
    """
    unset = [name for name in BLAS_THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(unset, str(count)))
    try:
        yield
    finally:
        for name in unset:
            os.environ.pop(name, None)


def started() -> None:
    """Restore the environment that the user's own child processes expect, in a process started with `safe_path`."""
    if os.environ.get(SAFE_PATH) == OURS:
        del os.environ[SAFE_PATH]


def end_with_parent() -> None:
    """Exit this process when its parent exits or is killed, even while a cell is being measured."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _raise_oom_score() -> None:
    with contextlib.suppress(OSError):  # exists on Linux only
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE_ADJUSTMENT)


def _prepared(setting: Setting) -> str:
    from ..device import FOR_OTHER_CODE, FOR_OTHER_PURPOSES, prepare

    block(setting.blocked)
    without = FOR_OTHER_PURPOSES + (FOR_OTHER_CODE if setting.built_in else ())
    device = prepare(setting.device, quiet=True, without=without)
    if device.startswith("cpu"):
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(setting.threads)
        tf.config.threading.set_inter_op_parallelism_threads(setting.threads)
    elif device.startswith("gpu"):
        from ...engine.budget import share_gpu

        share_gpu(setting.workers)
    return device
