"""The quantities and curves of a run, from the words of `--measure`."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UnknownName
from ..registry.manager import Registry


def choose_quantities(wanted: Sequence[str], registry: Registry) -> dict[str, tuple[str, ...]]:
    """Return the result keys to measure, sorted, by measurement.

    Args:
        wanted: Names of measurements, of quantities or of curves, "MEASUREMENT:curves", or "all" for every measurement
            that needs no task. The name of a quantity selects all its reductions. Curves are chosen only by their names
            or as "MEASUREMENT:curves".
        registry: The registered measurements.

    Raises:
        UnknownName: A name is neither a measurement nor a quantity.
    """
    chosen: dict[str, set[str]] = {}
    names = {"all"}
    for name, entry in registry.measurements.items():
        names |= {name} | {word for quantity in entry.quantities for word in (quantity.name, quantity.key)}
        for quantity in entry.quantities:
            # A measurement takes precedence over a quantity of its name: "gd" selects everything that "gd" returns.
            by_quantity = {quantity.name, quantity.key} - set(registry.measurements)
            names_it = {name, *by_quantity} | (set() if entry.needs_task else {"all"})
            if not names_it.isdisjoint(wanted):
                chosen.setdefault(name, set()).add(quantity.key)
        for curve in entry.curves:
            by_name = {curve.name, f"{name}:curves"} - set(registry.measurements)
            names |= by_name
            if not by_name.isdisjoint(wanted):
                chosen.setdefault(name, set()).add(curve.name)
    for word in wanted:
        if word not in names:
            raise UnknownName("measurement or quantity", word, names)
    return {name: tuple(sorted(keys)) for name, keys in chosen.items()}
