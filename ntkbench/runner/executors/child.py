"""What runs in a worker process: groups come through a connection, results go back, one cell after the other."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection, wait
from pathlib import Path

from attrs import frozen

from ...errors import NtkbenchError
from ...registry.current import block, registry
from ...registry.specs import Architecture
from ...streams import print_to_standard_error
from ..limits import NO_LIMITS, Limits

BLAS_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SELDOM = (50_000, 20, 100)  # thresholds of Python's garbage collector in a worker
FIRST_TO_GO = "500"  # added to what Linux goes by when memory is short, so that it ends workers and not their parent


@frozen
class Setting:
    """What every worker is told once.

    threads: of each worker, where it computes on processors.   limits: of each cell.
    """

    device: str
    architectures: Mapping[str, Architecture]
    blocked: frozenset[str]
    threads: int
    limits: Limits = NO_LIMITS


def serve(connection: Connection, setting: Setting) -> None:
    """Measure the groups that come through the connection, in a process of its own, until there are no more.

    Sends ("ready", device) once, ("result", CellResult) for each cell, ("refused", sentence) when it cannot start,
    and ("lost", sentence) when a cell has broken the process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of the terminal; the parent answers
    end_with_parent()
    _go_first()
    print_to_standard_error()  # what plugins print is no table
    for name in BLAS_THREADS:
        os.environ.setdefault(name, str(setting.threads))
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent has gone
        try:
            device = _prepared(setting)
        except NtkbenchError as error:
            connection.send(("refused", str(error)))
            return
        from ..worker import GroupWorker, sentence

        known = registry().with_architectures(setting.architectures)
        # Tracing makes many objects that stay; collecting garbage all the while takes a tenth of its time.
        gc.freeze()
        gc.set_threshold(*SELDOM)
        connection.send(("ready", device))
        while True:
            cells = connection.recv()
            try:
                for result in GroupWorker(cells, known, device, setting.limits.gib).results():
                    connection.send(("result", result))
            except (EOFError, BrokenPipeError, ConnectionResetError):
                raise
            except BaseException as error:  # a plugin that raises KeyboardInterrupt, say: nobody else does here
                connection.send(("lost", sentence(error)))
                return
            gc.collect()  # a group's graphs


def end_with_parent() -> None:
    """End this process when its parent has ended, also where that was killed while a cell is measured here."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _go_first() -> None:
    with contextlib.suppress(OSError):  # Linux has it
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)


def _prepared(setting: Setting) -> str:
    from ..device import prepare

    block(setting.blocked)
    device = prepare(setting.device, quiet=True)
    if device.startswith("cpu"):
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(setting.threads)
        tf.config.threading.set_inter_op_parallelism_threads(setting.threads)
        # Passes over the graphs of small networks cost more processor time than they save.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    return device
