"""Load and hash the probes of a seed, in the form that an architecture accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..datasets.forms import ARRAYS, FORMS, problem_of
from ..datasets.task import Task
from ..errors import NtkbenchError, did_you_mean, reason_of
from ..nests import arrays, data_hash, leaves, map_leaves, samples
from ..registry.calling import call_with_known_names
from ..registry.current import registry
from ..registry.specs import Architecture, Dataset
from ..types import Form, digest
from .python_file import FileArchitecture

if TYPE_CHECKING:
    import numpy as np


def form_for(architecture: Architecture, params: Mapping[str, Any], dataset: Dataset) -> Form:
    """Return the first form that the architecture accepts and the dataset provides.

    A user's own file declares its form with the parameter `inputs`.

    Args:
        architecture: The registered architecture or the user's file.
        params: All parameters of the architecture.
        dataset: The dataset.

    Raises:
        NtkbenchError: The two have no form in common.
    """
    accepted = (params["inputs"],) if isinstance(architecture, FileArchitecture) else architecture.inputs
    for form in accepted:
        if form in dataset.forms:
            return form
    if not accepted:
        raise NtkbenchError(
            f"{architecture.name!r} takes several inputs that no built-in form of data has. Write a build function "
            "that loads it, with the form of a dataset plugin as the default of its argument inputs."
        )
    raise NtkbenchError(
        f"{architecture.name!r} takes {_plural(accepted)}, but the dataset {dataset.name!r} provides "
        f"{_plural(dataset.forms)}. {_remedy(accepted, dataset)}"
    )


def providers(form: Form) -> list[Dataset]:
    """Return the registered datasets that provide a form: digits first, because it is always there."""
    fitting = [entry for entry in registry().datasets.values() if form in entry.forms]
    return sorted(fitting, key=lambda entry: entry.name != "digits")


def _remedy(accepted: tuple[Form, ...], dataset: Dataset) -> str:
    """Return a sentence on what to do about an architecture that accepts none of a dataset's forms."""
    fitting = {entry.name for form in accepted for entry in providers(form)}
    if fitting:
        return f"Choose another --arch, or --dataset {' or '.join(sorted(fitting))}."
    unknown = next((form for form in accepted if form not in FORMS), None)
    if unknown is not None:
        return f"No registered dataset provides {unknown!r}. {did_you_mean(unknown, {*FORMS, *dataset.forms})}"
    return "Choose another --dataset or --arch."


PLURALS = {"ragged": "ragged sequences", "tokens": "tokens"}


def _plural(forms: tuple[str, ...]) -> str:
    return " or ".join(PLURALS.get(form, f"{form}s") for form in forms)


def load_data(dataset: Dataset, params: Mapping[str, Any], *, form: Form, n: int, seed: int) -> tuple[Any, np.ndarray]:
    """Return the probes of a seed.

    They depend only on the arguments, so every architecture and width gets the same probes.

    Args:
        dataset: The dataset.
        params: All parameters of the dataset.
        form: One of the dataset's forms.
        n: Number of probes.
        seed: Seed of the draw.

    Returns:
        Inputs x [n, ...] in the requested form, an array or a nest of arrays, and targets y [n], both finite, in the
        dtype of the dataset.

    Raises:
        NtkbenchError: The dataset returned other shapes or values that are not finite.
    """
    import numpy as np

    found = _found(dataset, dataset.load(), form=form, n=n, seed=seed, **params)
    if not isinstance(found, tuple | list) or len(found) != 2:
        what = f"{len(found)} values" if isinstance(found, tuple | list) else f"a {type(found).__name__}"
        raise NtkbenchError(f"The dataset {dataset.name!r} returned {what}; its load must return the pair (x, y).")
    x, y = (np.asarray(found[0]) if form in ARRAYS else arrays(found[0])), np.asarray(found[1])
    problem = problem_of(form, x, dataset.vocabulary)
    if not problem and y.dtype.kind not in "biuf":
        problem = f"y has dtype {y.dtype}, but targets are numbers"
    if problem or samples(x) != n or y.shape != (n,):
        raise NtkbenchError(
            f"The dataset {dataset.name!r} returned inputs {_shapes(x)} and targets {list(y.shape)} for {n} "
            f"{_plural((form,))}{problem and ': '}{problem}; its load(form=..., n=..., seed=...) must return [n, ...] "
            f"and [n].{'' if problem else ' It may have fewer samples: try fewer --probes.'}"
        )
    if not all(np.isfinite(each).all() for _, each in [*leaves(x), ("y", y)]):
        raise NtkbenchError(f"The dataset {dataset.name!r} returned values that are not finite.")
    return x, y


def load_task(dataset: Dataset, params: Mapping[str, Any], *, form: Form, seed: int) -> Task:
    """Return the task of a seed: the split that the dataset offers for it, with inputs in a form.

    Args:
        dataset: The dataset.
        params: All parameters of the dataset.
        form: Form of the inputs.
        seed: Seed of the split. A dataset with several folds uses the fold `seed` mod `folds`.

    Raises:
        NtkbenchError: The dataset has no task, or its loader returned something else.
    """
    if dataset.task is None:
        raise NtkbenchError(f"The dataset {dataset.name!r} has no task to train on. Choose another --dataset.")

    def of_fold(fold: int) -> Task:
        try:
            found = _found(dataset, dataset.load_field("task"), form=form, seed=seed, fold=fold, **params)
        except NtkbenchError as error:
            if type(error) is not NtkbenchError or repr(dataset.name) in str(error):
                raise
            raise NtkbenchError(f"In the task of the dataset {dataset.name!r}: {error}") from error
        if not isinstance(found, Task):
            raise NtkbenchError(
                f"The task loader of {dataset.name!r} returned a {type(found).__name__}; it must return an "
                "ntkbench.Task."
            )
        for x, _ in (found.train, found.test):
            if problem := problem_of(form, x, dataset.vocabulary):
                raise NtkbenchError(f"The task of {dataset.name!r} does not have the form {form!r}: {problem}.")
        return found

    first = of_fold(0)
    return first if seed % first.folds == 0 else of_fold(seed % first.folds)


def _found(dataset: Dataset, load: Callable[..., Any], **names: Any) -> Any:
    """Return what a loader of the dataset returns; raise NtkbenchError if it fails."""
    try:
        return call_with_known_names(load, **names)
    except (NtkbenchError, MemoryError):
        raise
    except Exception as error:
        raise NtkbenchError(
            f"The dataset {dataset.name!r} could not be loaded: {reason_of(error)}. Its author must fix this; choose "
            "another --dataset."
        ) from error


def task_hash(task: Task) -> str:
    """Return the hash of all arrays of a task, with its number of classes."""
    return digest([data_hash(*task.train), data_hash(*task.test), task.classes])


def _shapes(x: Any) -> str:
    return str(map_leaves(lambda each: list(each.shape), x))
