"""Dask executor: measure each group as a task on a Dask cluster.

Dask sends the groups to its workers and returns the results. Each Dask worker measures with the process executor,
under the same limits. The result of every cell is sent at once, as a Dask event. When a Dask worker is lost, Dask
reruns its task on another worker, which learns from the events which cells are already finished. Only the client writes
results to disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing.process
import os
import pickle
import queue
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dask
from attrs import Factory, define, evolve
from distributed import Client, KilledWorker, LocalCluster, WorkerPlugin, get_client, get_worker

from ..._version import __version__
from ...errors import NtkbenchError
from ...plan.cost import GIB, memory_gib, rough_parameters
from ...plan.keras_file import KerasArchitecture
from ...plan.python_file import FileArchitecture
from ...registry.code import Code, hash_of
from ...registry.specs import Architecture
from ...store.run_store import MANIFEST
from ...types import Cell, CellResult, Status
from ..agenda import Agenda
from ..progress import Progress
from .child import OURS, SAFE_PATH, Setting, safe_path, started
from .executor import Executor, ExecutorLost
from .processes import Processes

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0  # time for all workers of the cluster to respond
POLL_SECONDS = 2.0  # between checks of the cluster
LATE_SECONDS = 60.0  # a worker is late when it is silent this long beyond the time limit of a cell
MOST_ATTEMPTS = 3  # for a group whose worker is late or whose events are lost
WINDOW = 8  # groups queued at the scheduler in addition to two per worker thread
NO_WORKER = "no worker yet: waiting for the Dask cluster"


@define(eq=False)
class Task:
    """A group that was submitted to Dask.

    Attributes:
        number: Number of the task.
        cells: The cells without a result, by key, in order.
        attempts: How often the group has been submitted.
        future: Its Dask future.
        last_seen: Time of its last event, None before the first.
        worker: Address of the worker that sent the last event.
    """

    number: int
    cells: dict[str, Cell]
    attempts: int
    future: Any
    last_seen: float | None = None
    worker: str = ""


class Dask(Executor):
    """Measures on a local Dask cluster, or on the cluster of the scheduler at `address`.

    Entering its context raises NtkbenchError when the scheduler cannot be reached.

    Args:
        setting: Settings of every worker.
        workers: Number of workers of a local cluster.
        address: Address of a scheduler; "" starts a local cluster.
    """

    def __init__(self, setting: Setting, workers: int, address: str = ""):
        self.setting, self.workers, self.address = setting, workers, address
        self.name = f"ntkbench-{uuid.uuid4().hex[:12]}"
        self._inbox: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._tasks: dict[int, Task] = {}
        self._numbers = iter(range(10**9))
        self._cluster: LocalCluster | None = None
        self._client: Client | None = None
        self._lost = False
        self._workspaces: Path | None = None
        self._late_workers: set[str] = set()

    def __enter__(self) -> Dask:
        _silence_logs()
        try:
            if not self.address:
                later = {f"distributed.nanny.pre-spawn-environ.{SAFE_PATH}": os.environ.get(SAFE_PATH) or OURS}
                with safe_path(), dask.config.set({"distributed.worker.daemon": False, **later}):
                    self._cluster = LocalCluster(
                        n_workers=self.workers,
                        threads_per_worker=1,
                        processes=True,
                        dashboard_address=None,
                        memory_limit=None,
                        silence_logs=logging.CRITICAL,
                    )
            self._client = Client(self._cluster or self.address, timeout=CONNECT_SECONDS, set_as_default=False)
            client = self._client
            _within(ANSWER_SECONDS, lambda: _same_version(client))
            _within(ANSWER_SECONDS, lambda: client.register_plugin(Bench(self.name, self.setting), name=self.name))
            self._client.subscribe_topic(self.name, lambda event: self._inbox.put(event[1]))
        except Exception as error:
            self.close()
            if isinstance(error, NtkbenchError):
                raise
            what = f"the Dask scheduler at {self.address}" if self.address else "Dask's local cluster"
            raise NtkbenchError(
                f"{what[0].upper()}{what[1:]} could not be used: {type(error).__name__}: "
                f"{' '.join(str(error).split())[:300]}. `--executor processes` needs no cluster."
            ) from error
        return self

    def close(self) -> None:
        """Cancel our tasks and disconnect from the cluster; a local cluster is stopped."""
        client, self._client = self._client, None
        cluster, self._cluster = self._cluster, None
        with contextlib.suppress(Exception):
            if client is not None and not self._lost:
                client.cancel([task.future for task in self._tasks.values()], force=True)
                _within(CONNECT_SECONDS, lambda: client.unregister_worker_plugin(self.name))
        self._tasks.clear()
        for each in (client, cluster):
            with contextlib.suppress(Exception):
                if each is not None:
                    each.close(timeout=CONNECT_SECONDS)
        started()

    def results(self, agenda: Agenda, progress: Progress) -> Iterator[CellResult]:
        """Yield the result of every cell as it arrives, and report the cells being measured to `progress`.

        Raises:
            ExecutorLost: The scheduler is gone, or a task failed on its workers.
        """
        looked, self._workspaces = time.monotonic(), agenda.workspaces
        while agenda or self._tasks:
            self._submit_some(agenda, progress)
            if time.monotonic() - looked > POLL_SECONDS:
                yield from self._late(agenda)
                looked = time.monotonic()
            try:
                message = self._inbox.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            self._late_workers.discard(message.get("worker", ""))
            task = self._tasks.get(message["task"])
            if task is None:
                continue  # the task was cancelled
            task.last_seen = time.monotonic()
            task.worker = message.get("worker", task.worker)
            if "result" in message:
                cell = task.cells.pop(message["key"], None)
                if cell is not None:  # otherwise the event arrived twice
                    yield evolve(pickle.loads(message["result"]), cell=cell)
            if "ended" in message:
                del self._tasks[task.number]
                yield from self._ended(task, agenda)
            elif task.cells:
                progress.now(next(iter(task.cells.values())))

    def _submit_some(self, agenda: Agenda, progress: Progress) -> None:
        """Submit enough groups to keep the workers busy, the most expensive first; the others stay in the agenda."""
        assert self._client is not None
        if not agenda:
            return
        workers = self._known_workers().values()
        threads = sum(each["nthreads"] for each in workers)
        agenda.workers = self.workers = max(threads, 1)
        if not threads:
            progress.now(NO_WORKER)
        declared: dict[str, float] = {}
        for each in workers:
            for name, amount in each.get("resources", {}).items():
                declared[name] = max(declared.get(name, 0.0), amount)
        while agenda and len(self._tasks) < 2 * threads + WINDOW:
            self._submit(agenda.take(), declared)

    def _known_workers(self) -> Mapping[str, Mapping[str, Any]]:
        now = time.monotonic()
        if now - self._asked > POLL_SECONDS or not self._workers_known:
            assert self._client is not None
            try:
                self._workers_known = dict(self._client.scheduler_info(n_workers=-1)["workers"])
            except Exception as error:
                raise self._gone() from error
            self._asked = now
        return self._workers_known

    _asked = float("-inf")
    _workers_known: Mapping[str, Mapping[str, Any]] = {}

    def _submit(self, cells: Sequence[Cell], declared: Mapping[str, float], attempts: int = 1) -> None:
        assert self._client is not None
        number = next(self._numbers)
        try:
            future = self._client.submit(
                measure,
                self.name,
                number,
                list(cells),
                self._workspaces,
                key=f"{self.name}-{number}",
                pure=False,
                priority=-number,
                resources=resources(cells, self.setting, declared) or None,
                workers=self._in_time(),
            )
        except Exception as error:
            raise self._gone() from error
        self._tasks[number] = Task(number, {cell.key: cell for cell in cells}, attempts, future)
        future.add_done_callback(lambda _: self._inbox.put({"task": number, "ended": True}))

    def _in_time(self) -> list[str] | None:
        """Return the workers that may get a task; None for all, when none or all of them are late."""
        return (
            self._late_workers and [each for each in self._known_workers() if each not in self._late_workers]
        ) or None

    def _ended(self, task: Task, agenda: Agenda) -> Iterator[CellResult]:
        """Handle a task that Dask has finished or given up."""
        status = task.future.status
        if status == "finished":
            if task.cells:
                yield from self._again(task, "Its results were lost", agenda)
            return
        if status != "error":
            raise self._gone()
        error = task.future.exception()
        if isinstance(error, KilledWorker):
            tries = error.allowed_failures + 1
            yield from self._gave_up(task, f"Its Dask worker was lost, {tries} times in a row", agenda)
        elif isinstance(error, NtkbenchError):
            raise error
        else:
            raise ExecutorLost(
                f"A task failed on the Dask cluster: {type(error).__name__}: {' '.join(str(error).split())[:300]}."
            )

    def _late(self, agenda: Agenda) -> Iterator[CellResult]:
        """Resubmit the groups of late workers, which have been silent for much longer than the time limit of a cell."""
        assert self._client is not None
        if self._client.status not in ("running", "newly-created"):
            raise self._gone()
        seconds = self.setting.limits.seconds
        if seconds is None:
            return
        patience, now = seconds + LATE_SECONDS, time.monotonic()
        late = [task for task in self._tasks.values() if task.last_seen is not None and now - task.last_seen > patience]
        if not late:
            return
        self._late_workers |= {task.worker for task in late}
        # Tasks queued at a late worker are also resubmitted, because they would wait just as long.
        waiting = {key for keys in self._client.processing(list(self._late_workers)).values() for key in keys}
        for task in list(self._tasks.values()):
            if task in late or task.future.key in waiting:
                del self._tasks[task.number]
                task.future.cancel(force=True)
                yield from self._again(task, f"Its Dask worker sent nothing for {patience:g} s", agenda)

    def _again(self, task: Task, why: str, agenda: Agenda) -> Iterator[CellResult]:
        if task.attempts < MOST_ATTEMPTS:
            self._submit(list(task.cells.values()), {}, task.attempts + 1)
        else:
            yield from self._gave_up(task, f"{why}, {MOST_ATTEMPTS} times in a row", agenda)

    @staticmethod
    def _gave_up(task: Task, why: str, agenda: Agenda) -> Iterator[CellResult]:
        """Yield a failure for the cell at which the task was lost; put the other cells back into the agenda."""
        cell, *rest = task.cells.values()
        agenda.put_back(rest)
        probes = cell.settings.get("n_probes")
        yield CellResult(cell=cell, status=Status.FAILED, message=f"{why}.", n_probes=probes)

    def _gone(self) -> ExecutorLost:
        self._lost = True
        at = f" at {self.address}" if self.address else ""
        return ExecutorLost(f"The Dask scheduler{at} is gone.")


def resources(cells: Sequence[Cell], setting: Setting, declared: Mapping[str, float]) -> dict[str, float]:
    """Return the worker resources that a group needs, among those that the workers declare.

    MEMORY, in bytes, is the memory limit or else a rough prediction, capped at the largest declared amount. GPU is 1
    when the run uses a GPU.

    Args:
        cells: The cells of the group.
        setting: Settings of every worker.
        declared: The largest declared amount of each resource.
    """
    asked: dict[str, float] = {}
    if "MEMORY" in declared:
        cell = cells[0]
        gib = setting.limits.gib or memory_gib(rough_parameters(cell), cell.settings["n_probes"], cell.precision)
        asked["MEMORY"] = min(gib * GIB, declared["MEMORY"])
    if "GPU" in declared and setting.device.startswith("gpu"):
        asked["GPU"] = 1.0
    return asked


def _silence_logs() -> None:
    """Silence Dask's log messages in this process; the run reports what matters."""
    for name in ("distributed", "tornado", "asyncio", *logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _within(seconds: float, call: Callable[[], object]) -> None:
    """Run a call that waits for every worker; raise TimeoutError when it takes too long. Dask never times out."""
    ended: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def answer() -> None:
        try:
            call()
            ended.put(None)
        except Exception as error:
            ended.put(error)

    threading.Thread(target=answer, daemon=True).start()
    try:
        error = ended.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"not all of its workers responded within {seconds:g} s") from None
    if error is not None:
        raise error


def _same_version(client: Client) -> None:
    """Raise NtkbenchError when a worker of the cluster has another version of ntkbench."""
    versions = client.run(_version, on_error="return")
    for address, version in versions.items():
        if version != __version__:
            said = f"{type(version).__name__}: {version}" if isinstance(version, Exception) else f"ntkbench {version}"
            raise NtkbenchError(
                f"The Dask worker at {address} has {said}, but this is ntkbench {__version__}. "
                "Install the same version there."
            )


def _version() -> str:
    return __version__


def measure(name: str, number: int, cells: Sequence[Cell], workspaces: Path | None) -> None:
    """Measure a group on a Dask worker, and log every result as an event of the topic `name`.

    The keys of finished cells are logged under a second topic; if this worker is lost, the next one reads them there.

    Args:
        name: Name of the run on the cluster.
        number: Number of the task.
        cells: The cells of the group.
        workspaces: Folder for their workspaces on the client's machine.
    """
    worker = get_worker()
    bench: Any = worker.plugins[name]
    topic = f"{name}-{number}"
    finished = {key for _, key in get_client().get_events(topic) or ()}
    missing = [cell for cell in cells if cell.key not in finished]
    event = {"task": number, "worker": worker.address}
    worker.log_event(name, event)
    for result in bench.results(missing, workspaces):
        key = result.cell.key
        worker.log_event(name, {**event, "key": key, "result": pickle.dumps(result)})
        worker.log_event(topic, key)


@define(eq=False)
class Bench(WorkerPlugin):
    """Dask worker plugin of a run: holds the settings, and worker processes that stay warm between groups."""

    name: str
    setting: Setting
    files: dict[str, dict[str, tuple[Path, bytes]]] = Factory(dict)
    idle: list[Processes] = Factory(list)
    all: list[Processes] = Factory(list)
    folder: str = ""

    def __attrs_post_init__(self) -> None:
        # The user's files are sent along, because the worker may be on another machine.
        for name, entry in self.setting.architectures.items():
            if isinstance(entry, FileArchitecture | KerasArchitecture):
                self.files[name] = {word: (path, path.read_bytes()) for word, path in entry.code.paths.items()}
                for word, (_, content) in self.files[name].items():
                    if hash_of(content) != entry.code.files[word]:
                        raise NtkbenchError(f"{word} changed while the run was started; run the command again.")

    def setup(self, worker: Any) -> None:
        """Write those of the user's files that differ from, or are missing on, this machine."""
        del worker
        started()
        own: dict[str, Architecture] = {}
        for name, entry in self.setting.architectures.items():
            own[name] = entry
            files = self.files.get(name, {})
            if not all(_holds(path, content) for path, content in files.values()):
                self.folder = self.folder or tempfile.mkdtemp(prefix="ntkbench-")
                folder = Path(self.folder, str(len(own) - 1))  # files beside two user files may have the same name
                for word, (_, content) in files.items():
                    place = folder / word
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(content)
                own[name] = evolve(entry, path=folder / entry.path.name)  # type: ignore[attr-defined, call-arg]
        code = {name: self._watched(each) for name, each in self.setting.code.items()}
        self.setting = evolve(self.setting, architectures=own, code=code)

    def _watched(self, code: Code) -> Code:
        """Return the code with the paths that exist on this machine; no one edits the copies of the user's files."""
        sent = {path: content for files in self.files.values() for path, content in files.values()}
        paths = {
            name: path
            for name, path in code.paths.items()
            if (_holds(path, sent[path]) if path in sent else path.is_file())
        }
        return evolve(code, paths=paths)

    async def teardown(self, worker: Any) -> None:
        """Stop the worker processes."""
        del worker
        await asyncio.to_thread(self._close)

    def results(self, cells: Sequence[Cell], workspaces: Path | None) -> Iterator[CellResult]:
        """Yield the results of a group, measured by an idle warm worker process if there is one.

        Args:
            cells: The cells.
            workspaces: Folder for their workspaces on the client's machine. If this machine cannot access the run's
                folder, workspaces are temporary folders.
        """
        try:
            processes = self.idle.pop()
        except IndexError:
            processes = _Children(1, self.setting)
            self.all.append(processes)
        shared = workspaces is not None and (workspaces.parent / MANIFEST).is_file()
        agenda = Agenda([cells] if cells else [], workspaces=workspaces if shared else None)
        yield from processes.results(agenda, Progress())
        self.idle.append(processes)

    def _close(self) -> None:
        for processes in self.all:
            processes.abandon()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False


class _Children(Processes):
    """Worker processes of a Dask worker.

    A Dask worker may be a daemonic process, which multiprocessing does not allow to have children. The children end
    with it nevertheless, because they watch their parent.
    """

    _lock = threading.Lock()

    def _start(self) -> None:
        config = multiprocessing.process.current_process()._config  # type: ignore[attr-defined]
        with self._lock:
            daemon, config["daemon"] = config.get("daemon"), False
            # Dask makes its workers return freed memory at once, and TensorFlow would keep allocating it again.
            trim = os.environ.pop("MALLOC_TRIM_THRESHOLD_", None)
            try:
                super()._start()
            finally:
                config["daemon"] = daemon
                if trim is not None:
                    os.environ["MALLOC_TRIM_THRESHOLD_"] = trim
