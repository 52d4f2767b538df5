"""The plots of the report: losses and steps of both initialisations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...types import Line, Panel
from . import deep, lazy
from .initial import INITS

CURVE_SEEDS, CURVE_RATE, CURVE_STEPS = 4, 2.0**-4, 100


def curves() -> list[Panel]:
    """Return panels of training curves inside and outside the lazy regime, and of steps by depth and by rate."""
    seeds, deepest = range(CURVE_SEEDS), deep.DEPTHS[-1]
    in_lazy_regime = {init: [lazy.lazy_losses(lazy.LAZY_WIDTHS[-1], init, seed) for seed in seeds] for init in INITS}
    sweeps = {
        init: {depth: [deep.sweep(depth, init, seed) for seed in seeds] for depth in deep.DEPTHS} for init in INITS
    }
    relative, by_depth, by_rate = {}, {}, {}
    for init in INITS:
        losses = [deep.losses_at(deepest, init, seed, CURVE_RATE, 10, 0.0, CURVE_STEPS) for seed in seeds]
        relative[init] = [[loss / each[0] for loss in each] for each in losses]
        by_depth[init] = [[min(filter(None, sweeps[init][depth][seed])) for depth in deep.DEPTHS] for seed in seeds]
        by_rate[init] = sweeps[init][deepest]
    loss, steps = "loss over first loss", f"steps to {deep.TARGET:g} of the loss"
    lazy_title = f"Lazy: 3 layers of {lazy.LAZY_WIDTHS[-1]}, half the critical step"
    deep_title = f"Deep: {deepest} layers of {deep.DEEP_WIDTH}, nearly linear"
    rates = [math.log2(rate) for rate in deep.RATES]
    return [
        panel_of_means(lazy_title, "step", loss, range(lazy.LAZY_STEPS + 1), in_lazy_regime),
        panel_of_means(deep_title, "step", loss, range(CURVE_STEPS + 1), relative),
        panel_of_means("Deep, each at its best step size", "depth", steps, deep.DEPTHS, by_depth),
        panel_of_means(f"Deep, {deepest} layers", "log2 of the step size", steps, rates, by_rate),
    ]


def panel_of_means(title: str, x_label: str, y_label: str, x: Sequence[float], found: Mapping[str, Any]) -> Panel:
    """Return a panel of geometric means over seeds with their range, where all seeds have a positive value."""
    drawn = []
    for init, runs in found.items():
        columns = list(zip(*runs, strict=False))
        used = [i for i, column in enumerate(columns) if all(each is not None and each > 0 for each in column)]
        drawn.append(
            Line(
                init,
                tuple(float(x[i]) for i in used),
                tuple(math.exp(math.fsum(map(math.log, columns[i])) / len(columns[i])) for i in used),
                tuple(float(min(columns[i])) for i in used),
                tuple(float(max(columns[i])) for i in used),
            )
        )
    return Panel(title, x_label, y_label, tuple(drawn))
