"""The probes of a seed: which form an architecture gets, the arrays themselves, and their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..errors import NtkbenchError
from ..registry.calling import call_with_known_names
from ..registry.specs import Architecture, Dataset
from ..types import Form
from .user_model import FileArchitecture

if TYPE_CHECKING:
    import numpy as np

RANK = {"vector": 2, "sequence": 3, "image": 4}


def form_for(architecture: Architecture, params: Mapping[str, Any], dataset: Dataset) -> Form:
    """Return the first form that the architecture accepts and the data set gives.

    A user's own file says it by its parameter `inputs`. Raises NtkbenchError naming both when there is none.
    """
    accepted = (params["inputs"],) if isinstance(architecture, FileArchitecture) else architecture.inputs
    for form in accepted:
        if form in dataset.forms:
            return cast(Form, form)
    raise NtkbenchError(
        f"{architecture.name!r} takes {_plural(accepted)}, and the data set {dataset.name!r} gives "
        f"{_plural(dataset.forms)}. Choose another --dataset or --arch."
    )


def _plural(forms: tuple[str, ...]) -> str:
    return " or ".join(f"{form}s" for form in forms)


def load_data(
    dataset: Dataset, params: Mapping[str, Any], *, form: Form, n: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the probes of a seed: x [n, ...] in the asked form and y [n], both finite, of the data set's dtype.

    They depend on the data set, its params, form, n and seed only: every architecture and width gets the same.
    Raises NtkbenchError when the data set gives something else.
    """
    import numpy as np

    x, y = call_with_known_names(dataset.load(), form=form, n=n, seed=seed, **params)
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != RANK[form] or len(x) != n or y.shape != (n,):
        raise NtkbenchError(
            f"The data set {dataset.name!r} gave inputs {list(x.shape)} and targets {list(y.shape)} for {n} {form}s; "
            f"its load(form=..., n=..., seed=...) has to return [n, ...] and [n]. Fewer --probes may fit."
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise NtkbenchError(f"The data set {dataset.name!r} gave numbers that are not finite.")
    return x, y


def data_hash(x: np.ndarray, y: np.ndarray) -> str:
    """Return 32 hexadecimal digits of the SHA-256 of both arrays: dtype, shape and bytes."""
    import numpy as np

    total = hashlib.sha256()
    for array in (x, y):
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()[:32]
