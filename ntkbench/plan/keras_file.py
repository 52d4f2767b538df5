"""A saved `.keras` model as an architecture."""

from __future__ import annotations

import json
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from ..datasets.forms import FORMS
from ..errors import NtkbenchError
from ..registry.code import Code, code_of_file
from ..registry.specs import Architecture
from ..seeds import seed_for
from .model_file import require_file
from .python_file import OUTPUT, chosen_output

_NOT_A_MODEL = (
    zipfile.BadZipFile, zlib.error, EOFError, RecursionError, MemoryError,
    LookupError, ValueError, TypeError, AttributeError,
    RuntimeError,  # an encrypted archive, or (NotImplementedError) an unknown compression
)  # fmt: skip
"""What reading config.json raises if the file is not an archive of Keras."""
FORM_OF_RANK = {1: "vector", 2: "sequence", 3: "image"}


@frozen(kw_only=True)
class KerasArchitecture(Architecture):
    """A saved Keras model, with its saved weights, or with weights redrawn from the seed if `reinit` is set.

    It has a single width, which is not known before it is loaded: the plan uses 1, and tables show "–".

    Attributes:
        path: Path of the `.keras` file.
        input_shape: Shape of one input, with None for axes of any size; for several inputs, a dict or list of shapes.
        types: The dtypes of the inputs, in the same structure.
        code: The hash of the file.
        reinit: Whether to redraw the weights for each seed.
        seed_bits: Number of bits of the seed.
    """

    path: Path
    input_shape: Any
    types: Any = "float32"
    code: Code = field(factory=Code, repr=False)
    reinit: bool = False
    seed_bits: int = 63

    def resolve(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the selected output, if any; a saved model has no other parameters."""
        chosen = chosen_output(given)
        return super().resolve({name: given[name] for name in given if name not in chosen}) | chosen

    def output_of(self, params: Mapping[str, Any]) -> str | None:
        """Return the name of the output that the parameters select, None if they select none."""
        return params.get(OUTPUT)

    def load(self) -> Callable[..., Any]:
        """Return the function that loads the model, in Keras's safe mode."""

        def build(width: int, *, seed: int) -> Any:
            del width
            import keras

            try:
                model = keras.models.load_model(self.path, compile=False, safe_mode=True)
            except Exception as error:
                reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
                raise NtkbenchError(f"{self.path.name} could not be loaded in safe mode: {reason}") from error
            return redrawn(model, seed) if self.reinit else model

        return build


def keras_architecture(path: Path, *, reinit: bool = False) -> KerasArchitecture:
    """Return the architecture of a saved model. Its input shape is read from the archive's JSON; no code is run."""
    shape, types = read_inputs(path)
    return KerasArchitecture(
        name=path.name,
        target=f"{path.stem}:saved",
        width_means="as saved (one width)",
        inputs=_forms_of(path, shape, types),
        path=path.resolve(),
        input_shape=shape,
        types=types,
        code=code_of_file(path),
        reinit=reinit,
    )


def _forms_of(path: Path, shape: Any, types: Any) -> tuple[str, ...]:
    """Return the forms of data that a saved model may take; none if it has several inputs that no form describes."""
    if isinstance(shape, tuple):
        if len(shape) == 1 and "int" in types:
            return ("tokens", "vector")
        if len(shape) not in FORM_OF_RANK:
            raise NtkbenchError(
                f"{path.name} takes inputs of shape {list(shape)}, but inputs must be vectors [d], sequences [steps, "
                "features] or images [height, width, channels]."
            )
        return (FORM_OF_RANK[len(shape)], *(("set",) if len(shape) == 2 else ()))
    names = shape.keys() if isinstance(shape, dict) else ()
    return tuple(form for form, several in FORMS.items() if any(parts.keys() == names for parts in several))


def read_inputs(path: Path) -> tuple[Any, Any]:
    """Return the shape and dtype of one input from the config.json of a `.keras` archive.

    Sizes are None for axes of any size. For several inputs, both are dicts or lists in the structure of the inputs.
    """
    require_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            saved = json.loads(archive.read("config.json"))
        found = _saved_inputs(saved)
    except OSError as error:
        raise NtkbenchError(f"{path} cannot be read: {error.strerror or error}.") from None
    except _NOT_A_MODEL:
        raise NtkbenchError(f"{path} is not a Keras 3 model; save it with model.save('NAME.keras').") from None
    if found is None:
        raise NtkbenchError(f"{path.name} was saved without an input shape; call it on data once, then save it again.")
    return found


def _saved_inputs(saved: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """Return shapes and dtypes of the inputs in a saved configuration, None if it has none."""
    inputs = {
        layer["config"].get("name", number): (
            tuple((layer["config"].get("batch_shape") or layer["config"]["batch_input_shape"])[1:]),
            _type_name(layer["config"].get("dtype")),
        )
        for number, layer in enumerate(saved["config"].get("layers", []))
        if layer["class_name"] == "InputLayer"
    }
    built = (saved.get("build_config") or {}).get("input_shape")
    if len(inputs) > 1:
        nest = saved["config"]["input_layers"]
        return _looked_up(nest, {name: shape for name, (shape, _) in inputs.items()}), _looked_up(
            nest, {name: kind for name, (_, kind) in inputs.items()}
        )
    if inputs:
        return next(iter(inputs.values()))
    return (tuple(built[1:]), "float32") if isinstance(built, list) else None


def _type_name(saved: Any) -> str:
    """Return a saved dtype, which may be that of a policy."""
    return saved["config"]["name"] if isinstance(saved, Mapping) else saved or "float32"


def _looked_up(nest: Any, values: Mapping[str, Any]) -> Any:
    """Return the values in the structure of saved inputs, whose leaves are [name of the layer, node, tensor]."""
    if isinstance(nest, Mapping):
        return {key: _looked_up(each, values) for key, each in nest.items()}
    if isinstance(nest[0], str):
        return values[nest[0]]
    return [_looked_up(each, values) for each in nest]


def redrawn(model: Any, seed: int) -> Any:
    """Return a copy of a Keras model with redrawn weights.

    Args:
        model: The model.
        seed: Seed from which the seed of every initializer is derived.

    Raises:
        NtkbenchError: No weight changed, as with initializers that are not random.
    """
    import numpy as np

    count = iter(range(sys.maxsize))

    def reseeded(config: Any) -> Any:
        if isinstance(config, dict):
            return {
                key: seed_for("reinit", seed, next(count)) % 2**31
                if key == "seed" and (value is None or isinstance(value, int))
                else reseeded(value)
                for key, value in config.items()
            }
        return [reseeded(value) for value in config] if isinstance(config, list) else config

    copy = type(model).from_config(reseeded(model.get_config()))
    old, new = ([np.asarray(v.value.numpy()) for v in m.trainable_variables] for m in (model, copy))
    if [v.shape for v in old] != [v.shape for v in new] or all(map(np.array_equal, old, new)):
        raise NtkbenchError(
            "This model's weights cannot be redrawn from its saved configuration; omit --reinit and --redraw."
        )
    return copy
