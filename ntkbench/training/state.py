"""The state of a training as a value that can be saved and loaded."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
from attrs import evolve, field, frozen

from ..atomic import write_atomically
from ..errors import NtkbenchError
from ..nests import read_only
from ..types import canonical_json
from .arguments import whole

FORMAT = "ntkbench training state"
VERSION = 1


def _vector(given: Any) -> np.ndarray:
    """Return a read-only copy of a vector [P]."""
    return read_only(np.array(given))


def _vectors(given: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: _vector(each) for name, each in given.items()}


def _same(left: Any, right: Any) -> bool:
    """Return whether two arrays, or two dictionaries of arrays, are the same bit for bit."""
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_same(left[name], right[name]) for name in left)
    return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()


@frozen(kw_only=True)
class State:
    """Everything that the rest of a training depends on, apart from the model, the data and the trainer's arguments.

    A state is a value: no function changes it, and two states are equal if they are the same bit for bit.

    Attributes:
        weights: Trainable weights in the order of the model's trainable variables, flattened, [P].
        slots: Vectors [P] of the optimizer, by name: "velocity" of momentum; "first_moment" and "second_moment" of
            Adam.
        step: Number of optimizer steps since `Trainer.start`.
        position: Number of samples that these steps have used; position / N is the number of epochs.
        order_seed: Seed of the order of the samples.
    """

    weights: np.ndarray = field(converter=_vector, eq=attrs.cmp_using(eq=_same))
    slots: Mapping[str, np.ndarray] = field(factory=dict, converter=_vectors, eq=attrs.cmp_using(eq=_same))
    step: int = 0
    position: int = 0
    order_seed: int = 0

    def branch(self, order_seed: int) -> State:
        """Return the same state with another order of the samples from here on.

        Weights, optimizer slots, step and position stay, so that a branch differs from its parent only in the
        minibatches after this step.

        Args:
            order_seed: Seed of the order.
        """
        return evolve(self, order_seed=whole(order_seed, "order_seed"))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state to a file, which is complete or absent even after a kill.

        The file is an uncompressed `.npz` of plain arrays (no pickle): "weights", "slot/NAME", and "header", which is
        JSON text with the other attributes and the SHA-256 of everything. The suffix of the path is not changed.

        Args:
            path: The file. An existing file is replaced.

        Raises:
            NtkbenchError: The file cannot be written.
        """
        arrays = _arrays(self)
        header = {"format": FORMAT, "version": VERSION} | {name: getattr(self, name) for name in _NUMBERS}
        header["sha256"] = _checksum(header, arrays)
        text = np.frombuffer(json.dumps(header).encode(), np.uint8)
        contents: dict[str, Any] = {"header": text, **arrays}
        file = io.BytesIO()
        np.savez(file, **contents)
        write_atomically(path, file.getvalue())


_NUMBERS = ("step", "position", "order_seed")


def load(path: str | os.PathLike[str]) -> State:
    """Return the state that `State.save` has written to a file.

    Args:
        path: The file.

    Raises:
        NtkbenchError: The file is missing, damaged, or something else.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise NtkbenchError(f"{path} could not be read: {error.strerror or error}.") from None
    try:
        return _decoded(path, content)
    except NtkbenchError:
        raise
    except Exception:  # zipfile, zlib, NumPy and JSON raise many kinds of errors for bytes from elsewhere
        raise _damaged(path, "it is not a training state, or only a part of one") from None


def _decoded(path: Any, content: bytes) -> State:
    """Return the state in the content of a file."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    header = json.loads(arrays.pop("header").tobytes())
    if header["format"] != FORMAT:
        raise ValueError(header["format"])
    if header["version"] != VERSION:
        raise NtkbenchError(
            f"{path} is a training state of version {header['version']!r}; this ntkbench reads {VERSION}. Read it "
            "with the version of ntkbench that wrote it."
        )
    if header.pop("sha256") != _checksum(header, arrays):
        raise _damaged(path, "its content does not match its checksum")
    slots = {name.removeprefix("slot/"): each for name, each in arrays.items() if name.startswith("slot/")}
    return State(weights=arrays["weights"], slots=slots, **{name: header[name] for name in _NUMBERS})


def _damaged(path: Any, what: str) -> NtkbenchError:
    return NtkbenchError(f"{path} cannot be loaded: {what}. Delete it and train again, or restore it from a copy.")


def _arrays(state: State) -> dict[str, np.ndarray]:
    return {"weights": state.weights} | {f"slot/{name}": each for name, each in state.slots.items()}


def _checksum(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of the header and of the names, types, shapes and bytes of the arrays."""
    found = hashlib.sha256(canonical_json(dict(header)).encode())
    for name, each in sorted(arrays.items()):
        found.update(canonical_json([name, each.dtype.str, list(each.shape)]).encode())
        found.update(np.ascontiguousarray(each).tobytes())
    return found.hexdigest()
