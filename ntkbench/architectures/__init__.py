"""The built-in architectures, registered through the public hook."""

from __future__ import annotations

import functools
from typing import Any

from ..registry.hookspecs import Register, hookimpl
from . import params, theory

ACTIVATION = {"activation": params.activation()}
DEPTH = {"depth": params.depth()}
DENSE = ACTIVATION | DEPTH | params.COMMON
CONVOLUTIONAL = params.COMMON | {"init": params.init(convolutional=True)}
BLOCKS = (
    {"activation": params.activation("gelu"), "depth": params.depth(1, "blocks")} | params.COMMON | params.WITHOUT_MUP
)

CHANNELS = {
    "quick": (8, 20, 52, 128),
    "standard": (8, 16, 32, 64, 128, 256),
    "board": (8, 16, 32, 64, 128, 256),
    "full": (8, 16, 32, 64, 128, 256, 512),
}
SHORTER = {
    "quick": (16, 40, 104, 256),
    "standard": (16, 32, 64, 128, 256, 512),
    "board": (16, 32, 64, 128, 256, 512),
    "full": (16, 32, 64, 128, 256, 512, 1024),
}
ALPHAS = {"quick": (1, 4, 16, 64)} | dict.fromkeys(("standard", "board", "full"), (1, 4, 16, 64, 256))


@hookimpl
def ntkbench_register_architectures(register: Register) -> None:
    """Register the built-in architectures: wide networks, sequence models and counter-examples."""
    register = functools.partial(register, seed_bits=63)
    _linear_in_the_limit(register)
    _sequence_models(register)
    _counter_examples(register)


def _linear_in_the_limit(register: Register) -> None:
    register(
        "linear",
        f"{__name__}.random_features:build",
        summary="fixed random features with a trained readout; exactly linear in its parameters",
        width_means="random features",
        params=ACTIVATION | params.COMMON,
        theory=theory.kernel_limit,
    )
    register(
        "deep-linear",
        f"{__name__}.fully_connected:build",
        summary="fully connected without activations; linear in x but not in its parameters",
        params={"activation": params.fixed("linear", "activation of the hidden layers; fixed")} | DEPTH | params.COMMON,
        theory=lambda given: theory.wide(given, given["depth"], plain=True),
    )
    register(
        "fc",
        f"{__name__}.fully_connected:build",
        summary="fully connected with a smooth activation",
        params=DENSE,
        theory=lambda given: theory.wide(given, given["depth"], plain=True),
    )
    register(
        "fc-relu",
        f"{__name__}.fully_connected:build",
        summary="fully connected with one ReLU hidden layer",
        params={"activation": params.fixed("relu", "activation of the hidden layers; fixed")}
        | {"depth": params.depth(1)}  # the only depth with a known law for gradient descent
        | params.COMMON,
        theory=lambda given: theory.wide(given, given["depth"], plain=True),
    )
    register(
        "cnn",
        f"{__name__}.convolutional:build",
        summary="3×3 convolutions followed by a flattened readout",
        width_means="channels of each convolution",
        inputs="image",
        params=ACTIVATION | {"depth": params.depth(2, "convolutions")} | CONVOLUTIONAL,
        theory=lambda given: theory.wide(given, given["depth"]),
        widths=CHANNELS,
    )
    register(
        "resnet",
        f"{__name__}.residual:build",
        summary="fully connected with residual blocks",
        width_means="units of the residual stream",
        params=ACTIVATION | {"depth": params.depth(3, "residual blocks")} | params.COMMON,
        theory=lambda given: theory.wide(given, given["depth"] + 1),
    )
    register(
        "densenet",
        f"{__name__}.densely_connected:build",
        summary="fully connected; every layer reads all earlier layers",
        params=ACTIVATION | {"depth": params.depth(3)} | params.COMMON,
        theory=lambda given: theory.wide(given, given["depth"]),
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
    )


def _sequence_models(register: Register) -> None:
    register(
        "rnn",
        f"{__name__}.recurrent:build",
        summary="recurrent network with a readout of the last state",
        width_means="units of the state",
        inputs=("sequence", "ragged"),
        params=ACTIVATION | params.COMMON,
        theory=theory.recurrent,
        widths=SHORTER,
    )
    register(
        "attention",
        f"{__name__}.transformer:build",
        summary="pre-norm transformer block",
        width_means="channels and hidden units; the number of heads is fixed",
        inputs="sequence",
        params=BLOCKS
        | {"heads": {"type": "int", "default": 4, "minimum": 1, "help": "number of heads; must divide the width"}},
        theory=theory.attention,
        widths=SHORTER,
        known_limit=False,  # the limit is random: the number of heads is fixed
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
    )


def _counter_examples(register: Register) -> None:
    def nonlinear_output(name: str, output: str, formula: str, **spec: Any) -> None:
        register(
            name,
            f"{__name__}.nonlinear_output:build",
            summary=f"fully connected with output {formula}",
            params={"output": params.fixed(output, "output activation; fixed")} | ACTIVATION | DEPTH | params.WEIGHTS,
            linear_output=False,
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
        params=ACTIVATION | {"k": params.bottleneck()} | params.COMMON | params.WITHOUT_MUP,
        theory=theory.bottleneck,
        bottleneck=True,
        variants=({"k": 1}, {"k": 4}),
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
    )
