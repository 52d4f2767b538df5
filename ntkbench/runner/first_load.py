"""Load the datasets of plugins in a separate process first, within the time limit of a cell."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import NtkbenchError
from ..plan.data import load_data, load_task
from ..plan.probes import Before
from ..registry.current import registry
from ..registry.manager import Registry
from ..registry.specs import Dataset
from ..types import Form
from .executors.apart import ProcessEnded, apart
from .limits import Limits


def first_load(known: Registry, limits: Limits) -> Before | None:
    """Return a function that tries a load before `make_plan` does it in this process; None without a time limit.

    A dataset of a plugin is loaded in a separate process, which is killed when the time limit of a cell has passed. An
    error is left to the plan, which reports it.

    Args:
        known: The registered datasets.
        limits: The limits of a cell.
    """
    if limits.seconds is None:
        return None
    installed = {plugin.distribution for plugin in known.plugins} - {"ntkbench"}

    def attempt(dataset: Dataset, params: Mapping[str, Any], form: Form, n: int, seed: int, with_task: bool) -> None:
        if dataset.distribution not in installed:
            return
        arguments = (dataset.name, dict(params), form, n, seed, with_task)
        try:
            list(apart(_loading, *arguments, device="cpu", limits=limits))
        except ProcessEnded as error:
            what = f"The {'task' if with_task else 'data'} of {dataset.name!r}, in the form {form!r},"
            raise NtkbenchError(f"{what} was loaded once before the run. {error}") from None

    return attempt


def _loading(name: str, params: Mapping[str, Any], form: Form, n: int, seed: int, with_task: bool) -> Iterator[None]:
    """Yield once when a dataset, or its task, has been loaded or raised an error."""
    dataset = registry().get("datasets", name)
    with contextlib.suppress(Exception):
        if with_task:
            load_task(dataset, params, form=form, seed=seed)
        else:
            load_data(dataset, params, form=form, n=n, seed=seed)
    yield
