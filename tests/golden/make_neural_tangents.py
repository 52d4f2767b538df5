"""Writes neural_tangents.json beside this file: kernels of the variants by neural-tangents 0.6.5, in float64.

Run in the peer's own environment (benchmarks/README.md says how it is made):

    PYTHONPATH=tests/kit python tests/golden/make_neural_tangents.py
"""

import json
from importlib import metadata
from pathlib import Path

import jax
import numpy as np
from neural_tangents import stax
from variants import VARIANTS, inputs

jax.config.update("jax_enable_x64", True)


def activation(name, *options):
    if name == "polynomial":
        return stax.Polynomial(options)
    if name == "gaussian":
        return stax.Gaussian(a=options[0], b=-options[1])
    makers = {"relu": stax.Relu, "leaky": stax.LeakyRelu, "abs": stax.Abs, "erf": stax.Erf}
    return (makers | {"sin": stax.Sin, "cos": stax.Cos, "gelu": stax.Gelu})[name](*options)


def layers(spec, axes):
    for kind, *words in spec:
        if kind == "dense":
            yield stax.Dense(1, W_std=words[0], b_std=words[1])
        elif kind == "act":
            yield activation(*words)
        elif kind == "conv":
            std, bias, size, strides, padding = words
            yield stax.Conv(1, (size,) * axes, (strides,) * axes, padding, W_std=std, b_std=bias)
        elif kind == "pool":
            yield stax.AvgPool((words[0],) * axes, (words[1],) * axes, words[2])
        elif kind == "gap":
            yield stax.GlobalAvgPool()
        elif kind == "flatten":
            yield stax.Flatten()
        elif kind == "attention":
            scaling, qk, ov, bias = words
            yield stax.GlobalSelfAttention(
                1, 1, 1, 1, linear_scaling=scaling != "root", W_key_std=qk, W_query_std=1.0, W_value_std=ov,
                W_out_std=1.0, b_std=bias, attention_mechanism="SOFTMAX" if scaling == "softmax" else "IDENTITY",
            )  # fmt: skip
        elif kind == "norm":
            yield stax.LayerNorm(eps=words[0])
        else:
            branches = [[], *words] if kind == "residual" else words
            made = [stax.serial(stax.Identity(), *layers(branch, axes)) for branch in branches]
            join = stax.FanInConcat() if kind == "concatenate" else stax.FanInSum()
            yield stax.serial(stax.FanOut(len(made)), stax.parallel(*made), join)


def main():
    found = {}
    for name, (shape, spec) in VARIANTS.items():
        x1, x2 = inputs(shape)
        _, _, kernel = stax.serial(*layers(spec, len(shape) - 1))
        try:
            cross, own = kernel(x1, x2, ("nngp", "ntk")), kernel(x1, None, ("nngp", "ntk"))
        except Exception as error:
            print(name, type(error).__name__, str(error)[:200])
            continue
        found[name] = {
            kind: {"cross": np.asarray(getattr(cross, kind)).tolist(), "own": np.asarray(getattr(own, kind)).tolist()}
            for kind in ("nngp", "ntk")
        }
    versions = {name: metadata.version(name) for name in ("neural-tangents", "jax", "jaxlib", "numpy")}
    text = json.dumps({"made_by": "make_neural_tangents.py", "versions": versions, "kernels": found}, indent=None)
    Path(__file__).with_name("neural_tangents.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
