"""The hooks that plugins implement, each documented where it stands.

A plugin is a module (or any object) named by an entry point of the group "ntkbench"; it marks its implementations with
`hookimpl`. It may say which version of the hooks it was written for::

    ntkbench_hooks = "0.1"

A plugin that needs a newer version is left out with that reason; an older one is loaded, with a sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pluggy

PROJECT = "ntkbench"
VERSION = "0.1"
"""The version of the hooks: that of the ntkbench in which they last changed."""
WRITTEN_FOR = "ntkbench_hooks"
"""The name under which a plugin says which version it was written for."""
ARGUMENTS = ("register",)
"""All arguments that hooks give."""
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Register = Callable[..., None]


@hookspec
def ntkbench_register_architectures(register: Register) -> Any:
    """Register architectures.

    Args:
        register: Call it as ``register(name, target, **spec)``. `target` is a callable
            ``build(width, *, input_shape, outputs=1, seed, **params) -> keras.Model`` or the string
            "module:attribute" (listing then imports nothing); names that `build` does not take are not passed.
            `spec` holds the fields of `ntkbench.registry.specs.Architecture`: summary, params, inputs,
            width_means, outputs, theory, targets, linear_output, bottleneck, widths, variants, grows, seed_bits,
            known_limit. `seed` is an integer of seed_bits bits, 31 by default: ``0 <= seed < 2**31``.
            theory maps a quantity to ``{"exponent": -0.5, "source": "who says so"}``, and where they apply
            ``"kind": "upper bound"`` and ``"from_width": 64``. It, linear_output, bottleneck and known_limit may be
            functions of all parameters instead, such as ``bottleneck=lambda params: params["k"] < 16``.

    Since version 0.1.
    """


@hookspec
def ntkbench_register_measurements(register: Register) -> Any:
    """Register measurements.

    Args:
        register: Call it as ``register(name, target, quantities=[Quantity(...)], **spec)``. `target` is
            ``measure(ctx) -> {quantity: float | (value, error) | Value}`` or "module:attribute"; `ctx` is an
            `ntkbench.engine.context.Context`. The error of a pair is statistical, a standard error; a certified
            bound is written ``Value(value, error, "bound")``. `spec` holds the fields of
            `ntkbench.registry.specs.Measurement`: summary, params, quantities, needs, companions.

    Since version 0.1.
    """


@hookspec
def ntkbench_register_datasets(register: Register) -> Any:
    """Register datasets.

    Args:
        register: Call it as ``register(name, target, forms=[...], **spec)``. `target` is
            ``load(*, form, n, seed, **params) -> (x, y)`` or "module:attribute": x is [n, ...] in the asked form
            ("vector" [n, d], "image" [n, h, w, c] or "sequence" [n, steps, features]), y is [n].

    Since version 0.1.
    """


@hookspec
def ntkbench_register_kernels(register: Register) -> Any:
    """Register infinite-width kernels.

    Args:
        register: Call it as ``register(name, target, summary=..., params=...)``. `target` is a callable
            ``make(**params) -> tfp.math.psd_kernels.PositiveSemidefiniteKernel``, such as an
            `ntkbench.kernels.InfiniteWidth`, or "module:attribute"; `ntkbench.kernels.named` calls it.

    Since version 0.1.
    """


@hookspec
def ntkbench_register_suites(register: Register) -> Any:
    """Register suites: named runs, or claims with what has to be measured for them.

    Args:
        register: Call it as ``register(name, target, summary=...)``. `target` is a callable without
            arguments, or "module:attribute", that returns the options of `ntkbench.run` as a mapping: arch, widths,
            seeds, measure, dataset, preset, probes, radius, precision and reinit; the device and the folder are the
            user's. A mapping with the key "claim", or the path of a TOML file, is a suite of claims.

    Since version 0.1.
    """


@hookspec
def ntkbench_register_layer_rules(register: Register) -> Any:
    """Register layer rules: how the engine taps, perturbs and contracts a Keras layer type.

    Args:
        register: Call it as ``register("module:LayerClass", target)``; `target` is an
            `ntkbench.engine.rules.Rule` subclass or "module:attribute".

    Since version 0.1.
    """
