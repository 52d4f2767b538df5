"""Load and hash the probes of a seed, in the form that an architecture accepts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..datasets.task import Task
from ..errors import NtkbenchError
from ..registry.calling import call_with_known_names
from ..registry.specs import Architecture, Dataset
from ..types import Form, digest
from .user_model import FileArchitecture

if TYPE_CHECKING:
    import numpy as np

RANK = {"vector": 2, "sequence": 3, "image": 4}


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
            return cast(Form, form)
    raise NtkbenchError(
        f"{architecture.name!r} takes {_plural(accepted)}, but the dataset {dataset.name!r} provides "
        f"{_plural(dataset.forms)}. Choose another --dataset or --arch."
    )


def _plural(forms: tuple[str, ...]) -> str:
    return " or ".join(f"{form}s" for form in forms)


def load_data(
    dataset: Dataset, params: Mapping[str, Any], *, form: Form, n: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the probes of a seed.

    They depend only on the arguments, so every architecture and width gets the same probes.

    Args:
        dataset: The dataset.
        params: All parameters of the dataset.
        form: "vector", "image" or "sequence".
        n: Number of probes.
        seed: Seed of the draw.

    Returns:
        Inputs x [n, ...] in the requested form and targets y [n], both finite, in the dtype of the dataset.

    Raises:
        NtkbenchError: The dataset returned other shapes or values that are not finite.
    """
    import numpy as np

    x, y = call_with_known_names(dataset.load(), form=form, n=n, seed=seed, **params)
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != RANK[form] or len(x) != n or y.shape != (n,):
        raise NtkbenchError(
            f"The dataset {dataset.name!r} returned inputs {list(x.shape)} and targets {list(y.shape)} for {n} "
            f"{form}s; its load(form=..., n=..., seed=...) must return [n, ...] and [n]. It may have fewer samples: "
            "try fewer --probes."
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
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
        found = call_with_known_names(dataset.load("task"), form=form, seed=seed, fold=fold, **params)
        if not isinstance(found, Task):
            raise NtkbenchError(
                f"The task loader of {dataset.name!r} returned a {type(found).__name__}; it must return an "
                "ntkbench.Task."
            )
        if found.train[0].ndim != RANK[form]:
            raise NtkbenchError(
                f"The task of {dataset.name!r} has inputs {list(found.train[0].shape)}, which are not {form}s."
            )
        return found

    first = of_fold(0)
    return first if seed % first.folds == 0 else of_fold(seed % first.folds)


def task_hash(task: Task) -> str:
    """Return the hash of all arrays of a task, with its number of classes."""
    return digest([data_hash(*task.train), data_hash(*task.test), task.classes])


def data_hash(x: np.ndarray, y: np.ndarray) -> str:
    """Return the first 32 hexadecimal digits of the SHA-256 of both arrays: dtype, shape and bytes."""
    import numpy as np

    total = hashlib.sha256()
    for array in (x, y):
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()[:32]
