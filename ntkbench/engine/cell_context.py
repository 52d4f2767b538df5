"""What every measurement gets of its cell, whether the width is finite or infinite."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.task import Task
from ..errors import NtkbenchError
from ..nests import read_only
from ..registry.specs import Architecture
from ..types import Settings, Width
from .workspace import Workspace

SECONDS_BETWEEN_STAGES = 0.5


class CellContext:
    """The targets, settings, random generator, limit kernel, task and workspace of a cell.

    `Context` adds a model, and `InfiniteContext` the kernel of infinite width; both describe the attributes.
    """

    def __init__(
        self,
        y: np.ndarray,
        *,
        width: Width,
        seed: int,
        precision: str,
        device: str,
        settings: Settings,
        architecture: Architecture,
        make_rng: Callable[[str], np.random.Generator],
        make_limit: Callable[[], Any],
        task: Task | None,
        params: Mapping[str, Any] | None,
    ):
        self.y = read_only(np.array(y, np.float64))
        self.width, self.seed, self.precision, self.device = width, seed, precision, device
        self.settings, self.architecture, self.params = settings, architecture, dict(params or {})
        self.quantities: frozenset[str] = frozenset()
        self._make_rng, self._make_limit = make_rng, make_limit
        self._workspace = Workspace()
        self._say: Callable[[str], None] | None = None
        self._said = float("-inf")
        self._task = task
        self.rng = make_rng("")

    @cached_property
    def limit(self) -> Any:
        """The tangent kernel at infinite width, with `.matrix(x1, x2)` and `.nngp`."""
        return self._make_limit()

    @property
    def task(self) -> Task:
        """Train and test part of the dataset, for measurements with needs="task"."""
        if self._task is None:
            raise NtkbenchError('Only measurements with needs="task" have a task. Register this one with needs="task".')
        return self._task

    @property
    def workspace(self) -> Path:
        """Folder of this cell for intermediate files, such as the states of a long training; created on first use.

        The folder survives a kill, a timeout and Ctrl-C, and the cell finds its files again when the same command
        measures it again. It is removed when the cell's result is stored as ok or unsupported. It lies in the run's
        folder; on a Dask worker that cannot access that folder, and outside of a run, it is a temporary folder that
        does not survive. Write its files atomically, as `training.State.save` does.

        Raises:
            NtkbenchError: The folder could not be created.
        """
        return self._workspace.folder

    def report(self, stage: str) -> None:
        """Show what the measurement is doing, such as "epoch 3.2 of 20", on the progress display of the run.

        Call it as often as you like: at most one stage in half a second is passed on.
        """
        if self._say is not None and time.monotonic() - self._said >= SECONDS_BETWEEN_STAGES:
            self._said = time.monotonic()
            self._say(stage)

    def start(
        self,
        measurement: str,
        quantities: frozenset[str],
        settings: Settings | None = None,
        workspace: Path | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """Prepare for a measurement: reset the random generator and the requested quantities.

        Args:
            measurement: Name of the measurement.
            quantities: Result keys that are requested.
            settings: Settings of its cell, which may differ from those of another measurement only in the radius; None
                keeps the current ones.
            workspace: Folder for intermediate files of its cell; None for a temporary one.
            say: Called with what the measurement reports; None to show it nowhere.
        """
        self.settings = settings or self.settings
        self.rng = self._make_rng(measurement)
        self.quantities = quantities
        self._workspace = Workspace(workspace)
        self._say = say
