"""Load and hash the probes of a seed, in the form that an architecture accepts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..datasets.forms import ARRAYS, FORMS, problem_of
from ..errors import NtkbenchError, did_you_mean
from ..nests import arrays, leaves, map_leaves, samples
from ..registry.calling import call_with_known_names
from ..registry.specs import Architecture, Dataset
from ..types import Form
from .user_model import FileArchitecture

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
    unknown = next((form for form in accepted if form not in FORMS), None)
    hint = "" if unknown is None else did_you_mean(unknown, {*FORMS, *dataset.forms})
    raise NtkbenchError(
        f"{architecture.name!r} takes {_plural(accepted)}, but the dataset {dataset.name!r} provides "
        f"{_plural(dataset.forms)}. {hint or 'Choose another --dataset or --arch.'}"
    )


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

    x, y = call_with_known_names(dataset.load(), form=form, n=n, seed=seed, **params)
    x, y = (np.asarray(x) if form in ARRAYS else arrays(x)), np.asarray(y)
    problem = problem_of(form, x, dataset.vocabulary)
    if problem or samples(x) != n or y.shape != (n,):
        raise NtkbenchError(
            f"The dataset {dataset.name!r} returned inputs {_shapes(x)} and targets {list(y.shape)} for {n} "
            f"{_plural((form,))}{problem and ': '}{problem}; its load(form=..., n=..., seed=...) must return [n, ...] "
            "and [n]. It may have fewer samples: try fewer --probes."
        )
    if not all(np.isfinite(each).all() for _, each in [*leaves(x), ("y", y)]):
        raise NtkbenchError(f"The dataset {dataset.name!r} returned values that are not finite.")
    return x, y


def _shapes(x: Any) -> str:
    return str(map_leaves(lambda each: list(each.shape), x))
