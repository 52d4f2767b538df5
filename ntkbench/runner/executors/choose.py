"""Which executor a run gets: the words `processes`, `serial` and `dask[:ADDRESS]`, and what goes with each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from attrs import field, frozen

from ...errors import NtkbenchError, UnknownName
from ...plan.cost import machine_memory_gib
from ...plan.plan import Plan
from ...registry.current import blocked
from ...registry.manager import Registry
from ...registry.specs import Architecture
from ..agenda import UNIT_SECONDS, Costs
from ..limits import NO_LIMITS, Limits
from .child import Setting
from .executor import Executor
from .processes import Processes, processors
from .serial import Serial

KINDS = ("processes", "serial", "dask")
MOST = 8  # workers by default: each takes a GiB or more
GIB_EACH = 4.0  # of the machine's memory, for one more worker by default
WIDE = 2048  # networks wider than this keep all processors busy by themselves, and memory too


@frozen(kw_only=True)
class Choice:
    """The executor that was asked for, not started.

    device: as the user wrote it.   architectures: the user's own.   address: of a Dask scheduler, "" for none.
    asked: the number of workers was the user's wish.
    """

    kind: str
    address: str = ""
    workers: int
    device: str
    limits: Limits = NO_LIMITS
    architectures: Mapping[str, Architecture] = field(factory=dict)
    asked: bool = False

    @property
    def here(self) -> bool:
        """Whether this process measures, so that it needs the device."""
        return self.kind == "serial"

    def executor(self, registry: Registry, device: str, say: Callable[[str], None] = lambda sentence: None) -> Executor:
        """Return the executor.

        Args:
            registry: what can be run.
            device: as `prepare` named it, where this process measures.
            say: is told where fewer workers measure than the user asked for.
        """
        if self.here:
            return Serial(registry.with_architectures(self.architectures), device)
        # To Dask, a task is the work of one thread.
        threads = 1 if self.address else max(1, processors() // self.workers)
        setting = Setting(self.device, dict(self.architectures), blocked(), threads, self.limits)
        if self.kind == "processes":
            return Processes(self.workers, setting, say if self.asked else lambda sentence: None)
        try:
            from .dask import Dask
        except ImportError as error:
            raise NtkbenchError(
                f"--executor dask needs the package distributed ({error}); install it by pip install 'ntkbench[dask]'."
            ) from None
        return Dask(setting, self.workers, self.address)


def choose(word: str, plans: Sequence[Plan], device: str, *, workers: int | None, limits: Limits) -> Choice:
    """Return the executor of some plans. word: as on the command line.

    Raises NtkbenchError for words that do not go together.
    """
    word, colon, address = word.partition(":")
    if word not in KINDS or (colon and word != "dask"):
        raise UnknownName("executor", f"{word}{colon}{address}", KINDS)
    if colon and not address:
        raise NtkbenchError("--executor dask: lacks its address; write for example --executor dask:tcp://host:8786.")
    if address and workers is not None:
        raise NtkbenchError(f"The cluster at {address} has its own number of workers; leave --workers out.")
    if word == "serial" and limits:
        given = "--timeout" if limits.seconds is not None else "--memory-limit"
        raise NtkbenchError(
            f"--executor serial measures in this very process, which no limit can end, and {given} is given; "
            "use --executor processes, or leave it out."
        )
    count = max((workers_for(plan, word, workers) for plan in plans), default=1)
    accelerated = device not in ("auto", "cpu")
    # An accelerator is the process's that looked at it first, and here that is this one.
    kind = "serial" if accelerated and not limits and word == "processes" else word
    own = {name: entry for plan in plans for name, entry in plan.own_architectures().items()}
    return Choice(
        kind=kind,
        address=address,
        workers=count,
        device=device,
        limits=limits,
        architectures=own,
        asked=workers is not None,
    )


def workers_for(plan: Plan, executor: str, asked: int | None) -> int:
    """Return how many workers a plan gets: as many as were `asked` for, but no more than it has groups or parts.

    Without a number one for each processor, fewer where memory or wide networks ask for it. Raises NtkbenchError for
    several workers of the serial executor, or on one accelerator.
    """
    if executor == "serial" and (asked or 1) > 1:
        raise NtkbenchError(f"--executor serial has one worker, and --workers asks for {asked}; leave one of them out.")
    accelerated = plan.options.device not in ("auto", "cpu")
    if accelerated and (asked or 1) > 1:
        raise NtkbenchError(f"--device {plan.options.device} is not shared, and --workers asks for {asked}; use one.")
    if executor == "serial" or accelerated:
        return 1
    wide = max(cell.width for cell in plan.cells) > WIDE
    suited = 1 if wide else min(MOST, processors(), int(machine_memory_gib() / GIB_EACH))
    groups = {(cell.label, cell.architecture, cell.width) for cell in plan.cells}
    wanted = asked or suited
    if len(groups) < wanted:  # long ones are cut
        return max(1, min(wanted, max(len(groups), int(Costs().of(plan.cells) / UNIT_SECONDS))))
    return wanted
