"""Kernels against those of neural-tangents, stored in tests/golden with how they were made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from variants import VARIANTS, inputs

from ntkbench import kernels as k
from ntkbench.kernels.duals.hermite import Polynomial
from ntkbench.kernels.duals.piecewise import Piecewise
from ntkbench.kernels.duals.smooth import Erf, Gaussian, Gelu, Sinusoid

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/neural_tangents.json").read_text())
RTOL = 1e-6


def activation(name, *options):
    if name == "polynomial":
        return k.Activation(Polynomial(options))
    if name == "leaky":
        return k.Activation(Piecewise(options[0], 1.0))
    kinds = {"erf": Erf, "sin": Sinusoid, "gaussian": Gaussian, "gelu": Gelu}
    return k.Activation(kinds[name](*options) if name in kinds else name)


def layers(spec):
    for kind, *words in spec:
        if kind == "dense":
            yield k.Dense(*words)
        elif kind == "act":
            yield activation(*words)
        elif kind == "conv":
            std, bias, size, strides, padding = words
            yield k.Conv(std, bias, kernel_size=size, strides=strides, padding=padding)
        elif kind == "pool":
            # neural-tangents counts the zeros beyond the borders
            yield k.AveragePooling(words[0], words[1], words[2], count_padding=True)
        elif kind == "gap":
            yield k.GlobalAveragePooling()
        elif kind == "flatten":
            yield k.Flatten()
        elif kind == "attention":
            scaling, *stds = words
            yield (
                k.LinearAttention(*stds)
                if scaling == "root"
                else k.SharedAttention(*stds, softmax=scaling == "softmax")
            )
        elif kind == "norm":
            yield k.LayerNormalization(words[0])
        elif kind == "residual":
            yield k.residual(*layers(words[0]))
        else:
            yield {"sum": k.add, "concatenate": k.concatenate}[kind](*(list(layers(branch)) for branch in words))


def kernel(name, **options):
    shape, spec = VARIANTS[name]
    return k.InfiniteWidth(list(layers(spec)), feature_ndims=len(shape), **options)


def test_there_are_enough():
    assert len(GOLDEN["kernels"]) >= 25
    assert set(GOLDEN["kernels"]) == set(VARIANTS)


@pytest.mark.parametrize("name", VARIANTS)
def test_agrees_with_neural_tangents(name):
    x1, x2 = inputs(VARIANTS[name][0])
    for place, arguments in (("cross", (x1, x2)), ("own", (x1,))):
        for kind, found in zip(("nngp", "ntk"), kernel(name).both(*arguments), strict=True):
            np.testing.assert_allclose(
                found, GOLDEN["kernels"][name][kind][place], rtol=RTOL, err_msg=f"{kind} {place}"
            )


@pytest.mark.parametrize("name", ["fc-relu-3", "cnn-gap-strides", "cnn-pool", "sequence-flatten", "fc-concatenated"])
def test_blocks_pieces_and_pairs_change_nothing(name, monkeypatch):
    """Small blocks compiled with XLA, and one pair at a time, give the numbers of the whole."""
    from ntkbench.kernels import blocks

    x1, x2 = inputs(VARIANTS[name][0])
    whole = [kernel(name).matrix(x1, x2), kernel(name).matrix(x1)]
    paired = kernel(name).apply(x1[:3], x2, example_ndims=1)
    monkeypatch.setattr(blocks, "WORTH_XLA", 1)
    monkeypatch.setattr(blocks, "NUMBERS_IN_BLOCK", 4)
    cut = kernel(name)
    np.testing.assert_allclose(cut.matrix(x1, x2), whole[0], rtol=1e-12)
    np.testing.assert_allclose(cut.matrix(x1), whole[1], rtol=1e-12)
    np.testing.assert_array_equal(cut.matrix(x1), np.transpose(cut.matrix(x1)))
    np.testing.assert_allclose(paired, np.diagonal(whole[0]), rtol=1e-12)
