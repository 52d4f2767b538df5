"""The built-in architectures, registered through the public hook."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..registry.hookspecs import Register, hookimpl
from . import params, theory
from .theory import Claims, Params, with_slope

ACTIVATION = {"activation": params.activation()}
DEPTH = {"depth": params.depth()}
DENSE = ACTIVATION | DEPTH | params.COMMON
CONVOLUTIONAL = params.COMMON | {"init": params.init(convolutional=True)}
BLOCKS = (
    {"activation": params.activation("gelu"), "depth": params.depth(1, "blocks")} | params.COMMON | params.WITHOUT_MUP
)

VERDICT = ("kernel_change_worst", "kernel_change_gd")
"""What a verdict rests on besides curvature; see `ntkbench.analysis.verdicts`."""

CHANNELS = {
    "quick": (8, 20, 52, 128),
    "zoo": (16, 32, 64, 128, 256),
    "standard": (8, 16, 32, 64, 128, 256),
    "board": (8, 16, 32, 64, 128, 256),
    "full": (8, 16, 32, 64, 128, 256, 512),
}
SHORTER = {
    "quick": (16, 40, 104, 256),
    "zoo": (32, 64, 128, 256, 512),
    "standard": (16, 32, 64, 128, 256, 512),
    "board": (16, 32, 64, 128, 256, 512),
    "full": (16, 32, 64, 128, 256, 512, 1024),
}
ALPHAS = {"quick": (1, 4, 16, 64)} | dict.fromkeys(("zoo", "standard", "board", "full"), (1, 4, 16, 64, 256))


@hookimpl
def ntkbench_register_architectures(register: Register) -> None:
    """Register the built-in architectures: wide networks, sequence models and counter-examples."""

    def add(name: str, target: str, *, theory: Callable[[Params], Claims], **spec: Any) -> None:
        register(name, target, theory=lambda given: with_slope(theory(given), given), seed_bits=63, **spec)

    _linear_in_the_limit(add)
    _sequence_models(add)
    _counter_examples(add)


def _linear_in_the_limit(register: Register) -> None:
    register(
        "linear",
        f"{__name__}.random_features:build",
        summary="fixed random features with a trained readout; exactly linear in its parameters",
        width_means="random features",
        params=ACTIVATION | params.COMMON,
        theory=theory.kernel_limit,
        family="dense",
        pair="fc",
        priority="A",
        decided_by=VERDICT,
    )
    register(
        "deep-linear",
        f"{__name__}.fully_connected:build",
        summary="fully connected without activations; linear in x but not in its parameters",
        params={"activation": params.fixed("linear", "activation of the hidden layers; fixed")} | DEPTH | params.COMMON,
        theory=lambda given: theory.wide(given, given["depth"], plain=True),
        family="dense",
        pair="fc",
        priority="A",
        decided_by=VERDICT,
    )
    register(
        "fc",
        f"{__name__}.fully_connected:build",
        summary="fully connected with a smooth activation",
        params=DENSE,
        theory=lambda given: theory.wide(given, given["depth"], plain=True),
        family="dense",
        pair=lambda given: "" if given["activation"] == "tanh" and given["parameterization"] == "ntk" else "fc",
        priority={
            "A": (
                {},
                {"activation": "gelu"},
                {"activation": "sin"},
                {"activation": "quadratic"},
                {"parameterization": "standard"},
                {"parameterization": "mean-field"},
            )
        },
        decided_by=VERDICT,
    )
    register(
        "fc-relu",
        f"{__name__}.fully_connected:build",
        summary="fully connected with one ReLU hidden layer",
        params={"activation": params.fixed("relu", "activation of the hidden layers; fixed")}
        | {"depth": params.depth(1)}  # the only depth with a known law for gradient descent
        | params.COMMON,
        theory=lambda given: theory.wide(given, given["depth"], plain=True),
        family="dense",
        pair="fc",
        priority={"A": ({}, {"depth": 3})},
    )
    register(
        "cnn",
        f"{__name__}.convolutional:build",
        summary="3×3 convolutions followed by a readout of all pixels, or of their mean",
        width_means="channels of each convolution",
        inputs="image",
        params=ACTIVATION | {"depth": params.depth(2, "convolutions"), "pool": params.POOL} | CONVOLUTIONAL,
        theory=lambda given: (theory.wide if given["pool"] == "none" else theory.averaged)(given, given["depth"]),
        widths=CHANNELS,
        family="convolutional",
        pair=lambda given: "" if given["pool"] == "none" else "cnn",
        priority={"A": ({}, {"pool": "average"})},
    )
    register(
        "resnet",
        f"{__name__}.residual:build",
        summary="fully connected with residual blocks",
        width_means="units of the residual stream",
        params=ACTIVATION | {"depth": params.depth(3, "residual blocks")} | params.COMMON,
        theory=lambda given: theory.wide(given, given["depth"] + 1),
        family="dense",
        pair="fc",
        priority="A",
    )
    register(
        "densenet",
        f"{__name__}.densely_connected:build",
        summary="fully connected; every layer reads all earlier layers",
        params=ACTIVATION | {"depth": params.depth(3)} | params.COMMON,
        theory=lambda given: theory.wide(given, given["depth"]),
        family="dense",
        pair="fc",
        priority="B",
    )
    register(
        "dag",
        f"{__name__}.dag:build",
        summary="groups of neurons on a random directed acyclic graph",
        width_means="neurons in each group, the smallest in-degree",
        params=ACTIVATION
        | {
            "groups": {"type": "int", "default": 5, "minimum": 1, "maximum": 32, "help": "number of groups of neurons"},
            "graph_seed": {"type": "int", "default": 0, "minimum": 0, "help": "seed of the random graph"},
        }
        | params.COMMON,
        theory=lambda given: theory.wide(given, given["groups"]),
        widths=SHORTER,
        family="dense",
        pair="fc",
        priority="B",
    )


def _sequence_models(register: Register) -> None:
    register(
        "rnn",
        f"{__name__}.recurrent:build",
        summary="recurrent network with a readout of the last state, or of the mean of all states",
        width_means="units of the state",
        inputs=("sequence", "ragged"),
        params=ACTIVATION | {"read": params.READ} | params.COMMON,
        theory=theory.recurrent,
        widths=SHORTER,
        family="recurrent",
        pair=lambda given: "" if given["read"] == "last" else "rnn",
        priority={"A": ({}, {"read": "average"})},
    )
    register(
        "attention",
        f"{__name__}.transformer:build",
        summary="pre-norm transformer block",
        width_means="channels and hidden units; the number of heads is fixed, except for heads=grow",
        inputs="sequence",
        params=BLOCKS | {"heads": params.HEADS, "scale": params.SCORE_SCALE},
        theory=theory.attention,
        widths=SHORTER,
        # With a fixed number of heads the limit is random, and no kernel of softmax attention with many is known.
        known_limit=False,
        family="attention",
        pair=lambda given: "" if given["heads"] == 4 and given["scale"] == "root" else "attention",
        priority={"A": ({}, {"heads": 1}, {"heads": "grow"}, {"scale": "inverse"}), "B": ({"heads": 16},)}
        | {"C": ({"scale": "inverse", "parameterization": "mean-field"},)},
    )
    register(
        "mlp-mixer",
        f"{__name__}.mixer:build",
        summary="MLP-mixer block: mixes tokens, then channels",
        width_means="channels and hidden units",
        inputs="sequence",
        params=BLOCKS,
        theory=theory.mixer,
        widths=SHORTER,
        known_limit=False,  # the limit is random: the number of tokens is fixed
        family="attention",
        pair="attention:scale=inverse",
        priority="A",
    )


def _counter_examples(register: Register) -> None:
    def nonlinear_output(name: str, output: str, formula: str, **spec: Any) -> None:
        register(
            name,
            f"{__name__}.nonlinear_output:build",
            summary=f"fully connected with output {formula}",
            params={"output": params.fixed(output, "output activation; fixed")} | ACTIVATION | DEPTH | params.WEIGHTS,
            linear_output=False,
            family="outputs",
            pair="fc",
            priority="B",
            **spec,
        )

    saturating = functools.partial(theory.nonlinear_output, saturating=True)
    nonlinear_output("fc-square-output", "quadratic", "f²/2", theory=theory.nonlinear_output, targets=(0.5, 1.5))
    nonlinear_output(
        "fc-softplus-output", "softplus", "log(1 + e^f)", theory=theory.nonlinear_output, targets=(0.5, 1.5)
    )
    nonlinear_output("fc-sigmoid-output", "sigmoid", "1/(1 + e^-f)", theory=saturating, targets=(0.25, 0.75))
    nonlinear_output(
        "fc-softmax-output",
        "softmax",
        "softmax over two classes, of which the first is measured",
        theory=saturating,
        targets=(0.25, 0.75),
        outputs=2,
    )
    register(
        "fc-bottleneck",
        f"{__name__}.bottleneck:build",
        summary="fully connected with hidden layers of m, k and m units",
        width_means="units m of the wide hidden layers",
        params=ACTIVATION | {"k": params.bottleneck(words=("sqrt", "log"))} | params.COMMON | params.WITHOUT_MUP,
        theory=theory.bottleneck,
        bottleneck=True,
        variants=({"k": 1}, {"k": 4}),
        family="dense",
        pair=lambda given: "fc-bottleneck:k=4" if given["k"] == "sqrt" else "fc-bottleneck:k=sqrt",
        priority={"A": ({"k": 4}, {"k": "sqrt"}), "B": ({"k": 1},), "C": ({"k": "log"},)},
        decided_by=VERDICT,
    )
    register(
        "cnn-bottleneck",
        f"{__name__}.convolutional:build_bottleneck",
        summary="3×3 convolutions with m, k and m channels followed by a flattened readout",
        width_means="channels m of the wide convolutions",
        inputs="image",
        params=ACTIVATION | {"k": params.bottleneck("channels")} | CONVOLUTIONAL | params.WITHOUT_MUP,
        theory=theory.bottleneck,
        bottleneck=True,
        widths=CHANNELS,
        family="convolutional",
        pair="cnn",
        priority="B",
    )
    register(
        "linear-bottleneck",
        f"{__name__}.bottleneck:build",
        summary="linear layers of m, k and m units",
        width_means="units m of the wide hidden layers",
        params={
            "activation": params.fixed("linear", "activation of the hidden layers; fixed"),
            "k": params.bottleneck(),
        }
        | params.COMMON
        | params.WITHOUT_MUP,
        theory=theory.bottleneck,
        bottleneck=True,
        family="dense",
        pair="deep-linear",
        priority="B",
    )
    register(
        "fc-lazy",
        f"{__name__}.lazy:build",
        summary="network of fixed width with two copies and a growing output scale α",
        width_means="output scale α; the hidden width is fixed",
        params={"hidden": {"type": "int", "default": 64, "minimum": 1, "help": "number of units in each hidden layer"}}
        | ACTIVATION
        | DEPTH
        | params.WEIGHTS
        | params.WITHOUT_MUP,
        theory=theory.lazy,
        widths=ALPHAS,
        grows=False,
        family="outputs",
        pair="fc:parameterization=mean-field",
        priority="A",
        decided_by=VERDICT,
    )
