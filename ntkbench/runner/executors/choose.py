"""Choose the executor of a run: parse `processes`, `serial` or `dask[:ADDRESS]`, and check the other options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import field, frozen

from ...errors import NtkbenchError, UnknownName
from ...gpu import gpu_of
from ...plan.cost import finite_widths, machine_memory_gib
from ...plan.plan import Plan
from ...registry.code import Code
from ...registry.current import blocked
from ...registry.hookspecs import PROJECT
from ...registry.manager import Registry
from ...registry.specs import Architecture
from ..agenda import UNIT_SECONDS, Costs
from ..limits import NO_LIMITS, Limits
from .child import Setting
from .executor import Executor
from .processes import Processes, processors
from .serial import Serial

KINDS = ("processes", "serial", "dask")
MAX_DEFAULT_WORKERS = 8  # each worker needs a GiB or more
GIB_PER_WORKER = 4.0  # memory of the machine per default worker
GPU_GIB_PER_WORKER = 2.0  # memory of the GPU per default worker; eight of them used 7.5 GiB in the quick preset
WIDE = 2048  # one network wider than this uses all CPUs and much memory


@frozen(kw_only=True)
class Choice:
    """The chosen executor, before it is started.

    Attributes:
        kind: "processes", "serial" or "dask".
        address: Address of a Dask scheduler, "" for none.
        workers: Number of workers.
        device: Device, as the user wrote it.
        limits: Limits of each cell.
        architectures: The user's own architectures, by name.
        built_in: Whether all models are built by ntkbench's own code.
        code: The planned code; see `Plan.code`.
    """

    kind: str
    address: str = ""
    workers: int
    device: str
    limits: Limits = NO_LIMITS
    architectures: Mapping[str, Architecture] = field(factory=dict)
    built_in: bool = False
    code: Mapping[str, Code] = field(factory=dict, repr=False)

    @property
    def here(self) -> bool:
        """Whether this process itself measures, and therefore needs the device."""
        return self.kind == "serial"

    def executor(self, registry: Registry, device: str) -> Executor:
        """Return the executor.

        Args:
            registry: The registered entries.
            device: Device returned by `prepare`; used if this process itself measures.

        Raises:
            NtkbenchError: The package distributed is not installed.
        """
        if self.here:
            return Serial(registry.with_architectures(self.architectures), device, self.code)
        # Dask expects each task to use one thread.
        threads = 1 if self.address else max(1, processors() // self.workers)
        setting = Setting(
            self.device,
            dict(self.architectures),
            blocked(),
            threads,
            self.limits,
            built_in=self.built_in,
            workers=1 if self.address else self.workers,
            code=self.code,
        )
        if self.kind == "processes":
            return Processes(self.workers, setting)
        try:
            from .dask import Dask
        except ImportError as error:
            raise NtkbenchError(
                f"--executor dask needs the package distributed ({error}); install it with "
                "`pip install 'ntkbench[dask]'`."
            ) from None
        return Dask(setting, self.workers, self.address)


def choose(word: str, plans: Sequence[Plan], device: str, *, workers: int | None, limits: Limits) -> Choice:
    """Return the choice of executor for several plans.

    Args:
        word: Value of `--executor`.
        plans: The plans.
        device: Device, as the user wrote it.
        workers: Number of workers; None for the default.
        limits: Limits of each cell.

    Raises:
        NtkbenchError: The executor is unknown, or cannot be combined with the other options.
    """
    word, colon, address = word.partition(":")
    if word not in KINDS or (colon and word != "dask"):
        raise UnknownName("executor", f"{word}{colon}{address}", KINDS)
    if colon and not address:
        raise NtkbenchError("--executor dask: needs an address; write, for example, --executor dask:tcp://host:8786.")
    if address and workers is not None:
        raise NtkbenchError(f"The cluster at {address} has its own number of workers; omit --workers.")
    if word == "serial" and limits:
        given = "--timeout" if limits.seconds is not None else "--memory-limit"
        raise NtkbenchError(
            f"--executor serial measures in the main process and cannot enforce {given}; use --executor processes, or "
            f"omit {given}."
        )
    count = max((workers_for(plan, word, workers) for plan in plans), default=1)
    # A TPU can be used by one process only: the first that accesses it, which is this one.
    kind = "serial" if device.startswith("tpu") and not limits and word == "processes" else word
    own = {name: entry for plan in plans for name, entry in plan.own_architectures().items()}
    return Choice(
        kind=kind,
        address=address,
        workers=count,
        device=device,
        limits=limits,
        architectures=own,
        built_in=all(cell.architecture_plugin == PROJECT for plan in plans for cell in plan.cells),
        code={name: code for plan in plans for name, code in plan.code.items()},
    )


def workers_for(plan: Plan, executor: str, asked: int | None) -> int:
    """Return the number of workers of a plan, at most the number of its groups or of the parts they can be split into.

    Args:
        plan: The plan.
        executor: Kind of executor.
        asked: Number of workers that the user requested. None for the default: one per CPU, or fewer if memory (the
            machine's or the GPU's) is short or networks are wide.

    Raises:
        NtkbenchError: Several workers were requested for the serial executor or for a TPU.
    """
    if executor == "serial" and (asked or 1) > 1:
        raise NtkbenchError(f"--executor serial has one worker, but --workers is {asked}; omit one of the two options.")
    device = plan.options.device
    alone = executor == "serial" or device.startswith("tpu")
    if alone and (asked or 1) > 1:
        raise NtkbenchError(
            f"--device {device} can be used by one worker only, but --workers is {asked}; use --workers 1."
        )
    if alone:
        return 1
    wide = max(finite_widths(plan.cells), default=0) > WIDE
    suited = 1 if wide else min(MAX_DEFAULT_WORKERS, processors(), int(machine_memory_gib() / GIB_PER_WORKER))
    if gpu := gpu_of(device):
        suited = max(1, min(suited, int(gpu.gib / GPU_GIB_PER_WORKER)))
    groups = {(cell.label, cell.architecture, cell.width) for cell in plan.cells}
    wanted = asked or suited
    if len(groups) < wanted:  # long groups are split into parts
        return max(1, min(wanted, max(len(groups), int(Costs().of(plan.cells) / UNIT_SECONDS))))
    return wanted
