"""Hook specifications for plugins.

A plugin is a module (or any object) that an entry point of the group "ntkbench" names. It marks its implementations
with `hookimpl`, and may declare the version of the hooks that it was written for::

    ntkbench_hooks = "0.1"

A plugin that needs a newer version is left out, with the reason. A plugin written for an older version is loaded, with
a note.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pluggy

PROJECT = "ntkbench"
VERSION = "0.1"
"""Version of the hooks: the ntkbench version in which they last changed."""
WRITTEN_FOR = "ntkbench_hooks"
"""Attribute in which a plugin declares the version of the hooks that it was written for."""
ARGUMENTS = ("register",)
"""All arguments that hooks pass."""
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Register = Callable[..., None]


@hookspec
def ntkbench_register_architectures(register: Register) -> Any:
    """Register architectures.

    Added in version 0.1.

    Args:
        register: Call it as ``register(name, target, **spec)``. `target` is a callable
            ``build(width, *, input_shape, outputs=1, seed, **params) -> keras.Model``, or the string
            "module:attribute", so that listing imports nothing. Arguments that `build` does not accept are not
            passed. `seed` is an integer of seed_bits bits, 31 by default: ``0 <= seed < 2**31``.
            `spec` holds the fields of `ntkbench.registry.specs.Architecture`: summary, params, inputs,
            width_means, outputs, theory, targets, linear_output, bottleneck, widths, variants, grows, seed_bits,
            known_limit, limit, family, pair, priority, decided_by. `limit` is a callable
            ``make(*, input_shape, **params) -> kernel`` or "module:attribute": the kernel that the tangent kernel
            converges to as the width grows, which ``--widths inf`` measures. Without it the limit is read off the
            model where `ntkbench.kernels.infinite_width` can. `theory` maps a quantity to
            ``{"exponent": -0.5, "source": "Author (year), Theorem 1"}``,
            with ``"kind": "upper bound"`` and ``"from_width": 64`` where they apply. `theory`, `linear_output`,
            `bottleneck`, `known_limit`, `pair` and `decided_by` may be functions of all parameters instead, such as
            ``bottleneck=lambda params: params["k"] < 16``. `family`, such as "attention", and `priority`, "A", "B" or
            "C" or ``{"A": [{"heads": 1}, {"heads": "grow"}]}``, are what ``--arch family:attention`` and
            ``--arch priority:A`` select. `pair` is the architecture to compare with.
    """


@hookspec
def ntkbench_register_measurements(register: Register) -> Any:
    """Register measurements.

    Added in version 0.1.

    Args:
        register: Call it as ``register(name, target, quantities=[Quantity(...)], **spec)``. `target` is
            ``measure(ctx) -> {quantity: float | (value, error) | Value}`` or "module:attribute". `ctx` is an
            `ntkbench.engine.context.Context`. The error of a pair is a standard error (kind "statistical");
            write a certified bound as ``Value(value, error, "bound")``. `spec` holds the fields of
            `ntkbench.registry.specs.Measurement`: summary, params, quantities, curves, needs, companions, at_infinity,
            seconds.
            ``curves=[CurveSpec("loss_by_step", "L", x_unit="step", unit="f^2")]`` declares curves: the function returns
            ``{"loss_by_step": Curve(x, y)}`` beside its numbers where ``"loss_by_step" in ctx.quantities``, with at
            most 10,000 points in all curves of a cell. With ``at_infinity=True`` it is also called at infinite width,
            with an `ntkbench.engine.infinite_context.InfiniteContext`, whose `limit` is a kernel.
    """


@hookspec
def ntkbench_register_datasets(register: Register) -> Any:
    """Register datasets.

    Added in version 0.1.

    Args:
        register: Call it as ``register(name, target, forms=[...], **spec)``. `target` is
            ``load(*, form, n, seed, **params) -> (x, y)`` or "module:attribute". x is an array
            [n, ...] or a nest of arrays in the requested form (see `ntkbench.datasets.forms`), y is [n]. `spec` holds
            the fields of `ntkbench.registry.specs.Dataset`: summary, params, forms, vocabulary, task, members. `task`
            is ``load_task(*, form, seed, fold, **params) -> ntkbench.Task`` or "module:attribute": the split into train
            and test part of a seed and fold, with x in the requested form and the shapes of `load`. Whatever it
            estimates from data (means, scales, choices) it estimates on the train part.
            ``register("ucr", members=["ucr-coffee", "ucr-beef"])`` registers a group: ``--dataset ucr`` measures each
            of its datasets.
    """


@hookspec
def ntkbench_register_kernels(register: Register) -> Any:
    """Register kernels, which runs measure at infinite width: ``--arch NAME``.

    Added in version 0.1.

    Args:
        register: Call it as ``register(name, target, summary=..., params=..., inputs=...)``. `target` is a callable
            ``make(**params) -> tfp.math.psd_kernels.PositiveSemidefiniteKernel``, such as an
            `ntkbench.kernels.InfiniteWidth`, or "module:attribute". `ntkbench.kernels.named` calls it. `inputs` names
            the forms of data that it accepts, "vector" by default; for a form with several arrays, the kernel's
            methods and its feature_ndims take the same nest of arrays. A kernel with a property `nngp` is a tangent
            kernel whose `nngp` is the covariance of the outputs at initialisation.
    """


@hookspec
def ntkbench_register_suites(register: Register) -> Any:
    """Register suites: named runs, or claims with the settings that test them.

    Added in version 0.1.

    Args:
        register: Call it as ``register(name, target, summary=...)``. `target` is a callable without arguments, or
            "module:attribute", that returns the options of `ntkbench.run` as a mapping: arch, widths, seeds, measure,
            dataset, preset, probes, radius, precision and reinit. The user chooses the device and the folder. With
            compare="accuracy" the run ends with the table of methods over datasets by this quantity, and order=[...]
            with source="..." puts the order of a publication beside it. A mapping with the key "claim", or the path of
            a TOML file, is a suite of claims.
    """


@hookspec
def ntkbench_register_layer_rules(register: Register) -> Any:
    """Register layer rules: how the engine taps, perturbs and contracts a Keras layer type.

    Added in version 0.1.

    Args:
        register: Call it as ``register("module:LayerClass", target)``. `target` is an
            `ntkbench.engine.rules.Rule` subclass or "module:attribute".
    """
