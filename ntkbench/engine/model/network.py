"""Wrap a model as a function of one flat weight vector."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ...errors import NtkbenchError
from ...nests import is_nest
from ..ops import Compiled, Saved, exact_operations, reshape
from .explained import explained
from .in_units import InUnits
from .inputs import read
from .layout import Layout, varied


class SeveralOutputs(NtkbenchError):
    """A model has several outputs, and none was chosen.

    Args:
        names: Names of the outputs.
        advice: What the user should do, as the end of the message.
    """

    def __init__(self, names: Sequence[str], advice: str):
        self.names = list(names)
        super().__init__(f"The model has {len(names)} separate outputs, {_listed(names)}; {advice}.")


class Network:
    """A model f(w; x) as a function of its trainable weights, flattened to one vector w of size P.

    Keras models are called with training=False. Outputs are flattened to [N, O]. Compiled functions are cached here, so
    that the seeds of one width (see `load`) share them.

    Args:
        model: A Keras 3 model on the TensorFlow backend, a `tf.Module`, or a callable with `trainable_variables`. It
            must be built: if its weights do not exist yet, call it once on data.
        output: Index of the output unit that scalar functions use.
        output_name: For a model with several outputs: the dictionary key, Keras name or index of the output to use.
        layout: Structure of nested inputs; None for single arrays, or to take it from the first inputs.

    Attributes:
        saved: The saved functions of models like this one, if its functions are saved; by default they are not.

    Raises:
        NtkbenchError: If the model, output or output_name is invalid.
    """

    def __init__(self, model: Any, output: int = 0, output_name: str | int | None = None, layout: Layout | None = None):
        if isinstance(output, bool) or not isinstance(output, int | np.integer):
            raise NtkbenchError(f"output={output!r} is not an output unit; pass an index, counted from 0.")
        if not isinstance(output_name, str | int | None):
            raise NtkbenchError(f"output_name={output_name!r} is not an output; pass a name, dict key or index.")
        self.model = model
        self.output = output
        self.output_name = output_name
        self.layout = layout
        self.variables = _trainable(model)
        if not self.variables:
            raise NtkbenchError("The model has no trainable weights, so it has no tangent kernel. Has it been built?")
        dtypes = {v.dtype for v in self.variables}
        if other := {d.name for d in dtypes if not d.is_floating}:
            raise NtkbenchError(f"Trainable weights have dtype {', '.join(sorted(other))}; they must be real numbers.")
        self.dtype: tf.DType = tf.float64 if tf.float64 in dtypes else tf.float32
        self.shapes = [tuple(v.shape) for v in self.variables]
        self.sizes = [int(np.prod(shape)) for shape in self.shapes]
        self.size = sum(self.sizes)
        self.saved: Saved | None = None
        self._cache: dict[Hashable, Any] = {}

    def require_one_type(self) -> None:
        """Raise NtkbenchError unless all trainable weights are float32 or all are float64."""
        dtypes = {v.dtype for v in self.variables}
        if len(dtypes) > 1 or dtypes - {tf.float32, tf.float64}:
            names = ", ".join(sorted(d.name for d in dtypes))
            raise NtkbenchError(
                f"The weights have dtypes {names}; all must be float32 or all must be float64. Build the model in one "
                "of them, or use empirical_ntk(..., precision='float64'), which casts a copy."
            )

    # -- the model ---------------------------------------------------------------------------------------------

    def outputs(self, x: tf.Tensor) -> tf.Tensor:
        """Return f(w; x) with its outputs flattened: [N, ...] -> [N, O]."""
        with explained(f"The model cannot be called with inputs of shape {self.described(x)}"), exact_operations():
            given = self.given(x)
            y = self.model(given, training=False) if _is_keras(self.model) else self.model(given)
        return self._flat(self._one(y), x)

    def unit_of(self, variable: Any) -> tf.Tensor | float:
        """Return the factor by which the model multiplies a Keras variable of its own; see `InUnits`."""
        unit: tf.Tensor | float = 1.0
        for layer in getattr(self.model, "_flatten_layers", tuple)():
            if isinstance(layer, InUnits) and layer.scales(variable):
                unit = unit * layer.unit_of(variable)
        return unit

    def described(self, x: tf.Tensor) -> str:
        """Return the shape of inputs x: [N, ...], or of each part of the nest that they pack, for messages."""
        return str(list(x.shape)) if self.layout is None else self.layout.described(x.shape[0])

    def _flat(self, y: Any, x: tf.Tensor) -> tf.Tensor:
        """Return one output y of the model at x: [N, ...] flattened, in the model's precision: [N, O]."""
        kind = "nothing (None)" if y is None else f"a {type(y).__name__}"
        if not isinstance(y, np.ndarray | tf.Tensor | tf.Variable):
            raise NtkbenchError(f"The model returned {kind}; it must return a dense tensor [N, ...].")
        y = tf.convert_to_tensor(y)
        if y.dtype.is_complex:
            raise NtkbenchError(
                f"The model's outputs are complex ({y.dtype.name}), but only real outputs can be differentiated. "
                "Return their real part, imaginary part or absolute value instead."
            )
        if not y.dtype.is_floating:
            raise NtkbenchError(
                f"The model's outputs have dtype {y.dtype.name}, which has no derivatives. Return real numbers, such "
                "as logits instead of classes."
            )
        if y.shape.rank is None or y.shape.rank == 0 or None in y.shape[1:]:
            raise NtkbenchError(f"The model returned a value of shape {y.shape}; it must return [N, ...].")
        if 0 in y.shape[1:]:
            raise NtkbenchError(f"The model returned a value of shape {y.shape}, which has no output units.")
        if None not in (y.shape[0], x.shape[0]) and y.shape[0] != x.shape[0]:
            raise NtkbenchError(
                f"The model returned {y.shape[0]} outputs for {x.shape[0]} inputs; it must return one output per "
                "input, [N, ...]."
            )
        return tf.cast(reshape(y, [-1, int(np.prod(y.shape[1:]))]), self.dtype)

    def _one(self, y: Any) -> Any:
        """Return the output selected by `output_name`."""
        several = isinstance(y, dict | list | tuple)
        names = _output_names(self.model, y) if several else []
        if several and self.output_name is None and len(names) > 1:
            raise SeveralOutputs(names, f"choose one, such as output_name={names[0]!r}")
        chosen = names[0] if several and self.output_name is None else self.output_name
        if several:
            found = names.index(chosen) if chosen in names else chosen
            if not isinstance(found, int) or not 0 <= found < len(names):
                raise NtkbenchError(f"The model has no output {chosen!r}; it has {_listed(names)}.")
            y = list(y.values() if isinstance(y, dict) else y)[found]
            if isinstance(y, dict | list | tuple):
                raise NtkbenchError(f"The output {chosen!r} is not a single tensor; wrap the model so that it is.")
        elif chosen not in (None, 0, *getattr(self.model, "output_names", ())):
            raise NtkbenchError(f"The model has a single output; it has no output {chosen!r}.")
        return y

    def scalar(self, x: tf.Tensor) -> tf.Tensor:
        """Return the chosen output unit: [N, ...] -> [N]."""
        return self.chosen(self.outputs(x))

    def chosen(self, outputs: tf.Tensor) -> tf.Tensor:
        """Select the chosen output unit: [N, O] -> [N]. Raises NtkbenchError if it does not exist."""
        if not 0 <= self.output < outputs.shape[1]:
            raise NtkbenchError(f"The model has {outputs.shape[1]} output units; there is no unit {self.output}.")
        return reshape(outputs, [-1]) if outputs.shape[1] == 1 else outputs[:, self.output]

    def inputs(self, x: Any, name: str = "x") -> tf.Tensor:
        """Return x: [N, ...] in the model's precision (integers stay integers if the model expects them).

        A nest is packed into one tensor [N, D]; see `Layout`. The first nest fixes the layout of this network, which
        then also accepts packed tensors.

        Args:
            x: The inputs: an array or a nest of arrays.
            name: Name of the argument in error messages.

        Raises:
            NtkbenchError: If x does not consist of finite real numbers of the structure and shape that the model
                expects.
        """
        if self.layout is not None and isinstance(x, tf.Tensor) and x.dtype.is_floating:
            if x.shape[1:] != [self.layout.size]:
                raise NtkbenchError(f"{name} has shape {list(x.shape)}, but the model takes {self.layout}.")
            return tf.cast(x, self.dtype)
        found = read(self.model, x, self.dtype, name)
        if isinstance(found, tf.Tensor):
            if self.layout is not None:
                raise NtkbenchError(f"{name} is a single array, but the other inputs have {self.layout}.")
            return found
        layout, parts = found
        self.layout = self.layout or layout
        return self.layout.pack(self.layout.checked(parts, layout, name), self.dtype, name)

    def layout_of(self, x: Any, name: str = "x") -> Layout | None:
        """Return the layout of inputs x, None if they are a single array. Raises NtkbenchError as `inputs` does."""
        found = read(self.model, x, self.dtype, name) if is_nest(x) else None
        return found[0] if isinstance(found, tuple) else None

    def given(self, x: tf.Tensor) -> Any:
        """Return what the model is called with: x: [N, ...] itself, or the nest that it packs."""
        return x if self.layout is None else self.layout.unpack(x)

    def varied(self, x: tf.Tensor, count: int) -> tf.Tensor:
        """Return `count` different inputs of the model, made from the first one of x: [N, ...]."""
        vary = varied if self.layout is None else self.layout.varied
        return tf.concat([x[:1], *(vary(x[:1], step) for step in range(1, count))], 0)

    # -- flat weights ------------------------------------------------------------------------------------------

    def theta(self) -> tf.Tensor:
        """Return a copy of the trainable weights as one vector [P]."""
        return self.flatten([v.read_value() for v in self.variables])

    def flatten(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
        """Flatten per-variable tensors into one vector [P]."""
        return tf.concat([reshape(tf.convert_to_tensor(t), [-1]) for t in tensors], 0)

    def unflatten(self, vector: tf.Tensor) -> list[tf.Tensor]:
        """Split a vector [P] into one tensor per trainable variable."""
        parts = tf.split(vector, self.sizes)
        return [reshape(part, shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def assign(self, theta: tf.Tensor) -> None:
        """Set the trainable weights from one vector [P]. Usable inside compiled functions."""
        for variable, value in zip(self.variables, self.unflatten(theta), strict=True):
            variable.assign(value, read_value=False)

    def load(self, weights: Sequence[Any]) -> None:
        """Set all weights, frozen ones included, to those of another model with the same structure."""
        self.model.set_weights(weights)

    @property
    def all_variables(self) -> list[tf.Variable]:
        """All variables of the model without duplicates: weights, moving statistics and generator states."""
        others = [v if isinstance(v, tf.Variable) else v.value for v in getattr(self.model, "variables", ())]
        return list({id(v): v for v in [*self.variables, *others]}.values())

    # -- compiled functions ------------------------------------------------------------------------------------

    def function(
        self,
        key: Hashable,
        build: Callable[[], Callable[..., Any]],
        *,
        follows: Sequence[Any] | None = None,
        first_of: tuple[Compiled, Sequence[Any]] | None = None,
        **options: Any,
    ) -> Compiled:
        """Return `build()` compiled, traced at full matmul precision and cached under `key`.

        Args:
            key: The key.
            build: Returns the function.
            follows: What the function follows from besides this package's code, the model and the key, as plain values.
                Only functions for which it is given are saved; functions from outside this package must not give it.
            first_of: See `Compiled`.
            options: Options of `tf.function`.
        """
        if key not in self._cache:
            self._cache[key] = Compiled(build(), self.saved_at(key, follows), first_of, **options)
        return self._cache[key]

    def saved_at(self, key: Hashable, follows: Sequence[Any] | None) -> Saved | None:
        """Return where the function of a key is saved; None if it is not. Arguments as for `function`."""
        if self.saved is None or follows is None:
            return None
        return self.saved.of(key, tuple(follows), self.output, self.output_name, repr(self.layout))

    def cached(self, key: Hashable, build: Callable[[], Any]) -> Any:
        """Return `build()`, cached under `key`."""
        if key not in self._cache:
            self._cache[key] = build()
        return self._cache[key]


def network(
    model: Any,
    output: int = 0,
    output_name: str | int | None = None,
    *,
    layout: Layout | None = None,
    any_float: bool = False,
) -> Network:
    """Return the Network of a model, cached per output, layout of the inputs and set of trainable weights.

    Args:
        model: A model or a Network, which is returned as it is.
        output: Index of the output unit.
        output_name: Name, key or index of the output, for models with several outputs.
        layout: Structure of nested inputs, None for single arrays.
        any_float: Whether to accept weights of mixed or other float types, because a cast copy will be made.
    """
    if isinstance(model, Network):
        return model
    if isinstance(model, type):
        raise NtkbenchError(f"Got the class {model.__name__}; pass an instance of it, such as {model.__name__}().")
    if not isinstance(output, int | np.integer) or not isinstance(output_name, str | int | None):
        return Network(model, output, output_name)  # raises with the reason
    known = _known_networks(model)
    key = (output, output_name, layout)
    found = known.get(key)
    if found is None or [id(v) for v in found.variables] != [id(v) for v in _trainable(model)]:
        found = known[key] = Network(model, *key)
    if not any_float:
        found.require_one_type()
    return found


def renewed(net: Network) -> Network:
    """Return a new Network for the model's current state, with an empty cache, in place of the previous one."""
    key = (net.output, net.output_name, net.layout)
    fresh = Network(net.model, *key)
    _known_networks(net.model)[key] = fresh
    return fresh


class _Known:
    """The networks of a model, in an object of its own: `tf.Module` sorts the keys of dicts among its attributes."""

    def __init__(self) -> None:
        self.networks: dict[Hashable, Network] = {}


def _known_networks(model: Any) -> dict[Hashable, Network]:
    return getattr(model, "__dict__", {}).setdefault("_ntkbench_networks", _Known()).networks


def _is_keras(model: Any) -> bool:
    import keras

    return isinstance(model, keras.Layer)


def _output_names(model: Any, y: Any) -> list[str]:
    """Return the names of a model's outputs y: dictionary keys, Keras's names, or indices."""
    if isinstance(y, dict):
        return [str(key) for key in y]
    names = [str(name) for name in getattr(model, "output_names", None) or []]
    return names if len(set(names)) == len(y) else [str(i) for i in range(len(y))]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:-1])) + f" and {names[-1]!r}"


def _trainable(model: Any) -> list[tf.Variable]:
    """Return the distinct trainable variables, as `tf.Variable`s."""
    if _is_keras(model):
        import keras

        if keras.backend.backend() != "tensorflow":
            raise NtkbenchError(
                f"Keras uses the {keras.backend.backend()!r} backend; ntkbench needs KERAS_BACKEND=tensorflow."
            )
        if not model.built:
            raise NtkbenchError("The Keras model has not been built. Call it once on data, or add an Input.")
        found = [v.value for v in model.trainable_variables]
    elif callable(model) and hasattr(model, "trainable_variables"):
        found = list(model.trainable_variables)
    else:
        raise NtkbenchError(
            f"Got a {type(model).__name__}; expected a Keras 3 model, a tf.Module, or a callable with "
            "trainable_variables."
        )
    return list({id(v): v for v in found}.values())
