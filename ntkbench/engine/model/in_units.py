"""A Keras model as a function of its weights divided by their units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ...errors import NtkbenchError


@keras.saving.register_keras_serializable("ntkbench")
class InUnits(keras.Model):
    """A Keras model in the coordinates u = w / s, where s is the unit of each trainable variable w.

    The variables of the wrapped model then hold u, and it is called with s·u in their place. The function stays the
    same, but derivatives, distances and steps are those of u. With the standard deviations of its initial weights as
    units, a model in the standard parameterisation becomes one in the NTK parameterisation.

    Args:
        model: A built Keras model, whose variables are divided by the units.
        units: One positive number for each trainable variable; None leaves the variables as they are and sets all units
            to 1, for weights that are loaded later.
        **kwargs: Arguments of `keras.Model`.

    Raises:
        NtkbenchError: A unit is not a positive number.
    """

    def __init__(self, model: keras.Model, units: Sequence[float] | None = None, **kwargs: Any):
        super().__init__(name=kwargs.pop("name", model.name), dtype=model.dtype_policy, **kwargs)
        self.model = model
        kind = model.trainable_variables[0].dtype if model.trainable_variables else model.variable_dtype
        self.units = self.add_weight(
            shape=(len(model.trainable_variables),), initializer="ones", trainable=False, dtype=kind, name="units"
        )
        self._places = {id(variable): place for place, variable in enumerate(model.trainable_variables)}
        if units is not None:
            self._divide(np.asarray(units, np.float64))
        self.built = True

    def _divide(self, units: np.ndarray) -> None:
        if units.shape != self.units.shape or not (np.isfinite(units).all() and (units > 0).all()):
            raise NtkbenchError(f"units={units.tolist()} are not one positive number for each trainable variable.")
        for variable, unit in zip(self.model.trainable_variables, units, strict=True):
            variable.assign(variable.numpy() / unit)
        self.units.assign(units)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the model returns, with its trainable variables multiplied by their units."""
        values = [(each, self.unit_of(each) * each.value) for each in self.model.trainable_variables]
        with keras.StatelessScope(values):
            return self.model(*args, **kwargs)

    def scales(self, variable: Any) -> bool:
        """Return whether a Keras variable is a trainable one of the wrapped model."""
        return id(variable) in self._places

    def unit_of(self, variable: Any) -> tf.Tensor:
        """Return the unit of a trainable variable of the wrapped model, a scalar of the variable's dtype."""
        return tf.cast(self.units.value[self._places[id(variable)]], variable.dtype)

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs of the wrapped model, empty if it declares none."""
        return list(getattr(self.model, "output_names", None) or [])

    def get_config(self) -> Mapping[str, Any]:
        """Return the configuration of the wrapped model; the units are weights."""
        return {"name": self.name, "model": keras.saving.serialize_keras_object(self.model)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> InUnits:
        """Return a model from its configuration, with units of 1 until weights are set."""
        model = keras.saving.deserialize_keras_object(config["model"], custom_objects, safe_mode=False)
        return cls(model, name=config["name"])
