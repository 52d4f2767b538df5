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
BLOCKS = {"activation": params.activation("gelu"), "depth": params.depth(1, "blocks")} | params.COMMON

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
    """Register the architectures that become linear, those in doubt and the counter-examples."""
    register = functools.partial(register, seed_bits=63)
    _linear_in_the_limit(register)
    _sequence_models(register)
    _counter_examples(register)


def _linear_in_the_limit(register: Register) -> None:
    register(
        "linear",
        f"{__name__}.random_features:build",
        summary="fixed random features, trained readout: exactly linear in its parameters",
        width_means="random features",
        params=ACTIVATION | params.COMMON,
        theory=theory.kernel_limit,
    )
    register(
        "deep-linear",
        f"{__name__}.fully_connected:build",
        summary="fully connected without activations: linear in x, not in its parameters",
        params={"activation": params.fixed("linear", "no activation")} | DEPTH | params.COMMON,
        theory=lambda given: theory.wide(given, given["depth"], plain=True),
    )
    register(
        "fc",
        f"{__name__}.fully_connected:build",
        summary="fully connected, smooth activation",
        params=DENSE,
        theory=lambda given: theory.wide(given, given["depth"], plain=True),
    )
    register(
        "fc-relu",
        f"{__name__}.fully_connected:build",
        summary="one hidden layer, relu",
        params={"activation": params.fixed("relu", "activation of the hidden layers")}
        | {"depth": params.depth(1)}  # the one depth that theory has a law of gradient descent for
        | params.COMMON,
        theory=lambda given: theory.wide(given, given["depth"], plain=True),
    )
    register(
        "cnn",
        f"{__name__}.convolutional:build",
        summary="3×3 convolutions, flattened",
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
        summary="fully connected, every layer reads all earlier ones",
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
            "groups": {"type": "int", "default": 5, "minimum": 1, "maximum": 32, "help": "number of groups"},
            "graph_seed": {"type": "int", "default": 0, "minimum": 0, "help": "draws the graph"},
        }
        | params.COMMON,
        theory=lambda given: theory.wide(given, given["groups"]),
        widths=SHORTER,
    )


def _sequence_models(register: Register) -> None:
    register(
        "rnn",
        f"{__name__}.recurrent:build",
        summary="recurrent network, last state read out",
        width_means="units of the state",
        inputs="sequence",
        params=ACTIVATION | params.COMMON,
        theory=theory.recurrent,
        widths=SHORTER,
        known_limit=False,  # known, and not yet among our kernels: every step shares the weights
    )
    register(
        "attention",
        f"{__name__}.transformer:build",
        summary="pre-norm transformer block",
        width_means="channels and hidden units; the number of heads is fixed",
        inputs="sequence",
        params=BLOCKS | {"heads": {"type": "int", "default": 4, "minimum": 1, "help": "heads; they divide the width"}},
        theory=theory.attention,
        widths=SHORTER,
        known_limit=False,  # random: the heads do not grow in number
    )
    register(
        "mlp-mixer",
        f"{__name__}.mixer:build",
        summary="mixes tokens, then channels",
        width_means="channels and hidden units",
        inputs="sequence",
        params=BLOCKS,
        theory=theory.mixer,
        widths=SHORTER,
        known_limit=False,  # random: the tokens do not grow in number
    )


def _counter_examples(register: Register) -> None:
    def bent_output(name: str, output: str, formula: str, **spec: Any) -> None:
        register(
            name,
            f"{__name__}.nonlinear_output:build",
            summary=f"fully connected, output {formula}",
            params={"output": params.fixed(output, "output function")} | ACTIVATION | DEPTH | params.WEIGHTS,
            linear_output=False,
            **spec,
        )

    saturating = functools.partial(theory.bent, saturating=True)
    bent_output("fc-square-output", "quadratic", "f²/2", theory=theory.bent, targets=(0.5, 1.5))
    bent_output("fc-softplus-output", "softplus", "log(1 + e^f)", theory=theory.bent, targets=(0.5, 1.5))
    bent_output("fc-sigmoid-output", "sigmoid", "1/(1 + e^-f)", theory=saturating, targets=(0.25, 0.75))
    bent_output(
        "fc-softmax-output",
        "softmax",
        "softmax over two classes, the first is measured",
        theory=saturating,
        targets=(0.25, 0.75),
        outputs=2,
    )
    register(
        "fc-bottleneck",
        f"{__name__}.bottleneck:build",
        summary="fully connected, hidden layers of m, k and m units",
        width_means="units m of the wide hidden layers",
        params=ACTIVATION | {"k": params.bottleneck()} | params.COMMON,
        theory=theory.bottleneck,
        bottleneck=True,
        variants=({"k": 1}, {"k": 4}),
    )
    register(
        "cnn-bottleneck",
        f"{__name__}.convolutional:build_bottleneck",
        summary="3×3 convolutions of m, k and m channels, flattened",
        width_means="channels m of the wide convolutions",
        inputs="image",
        params=ACTIVATION | {"k": params.bottleneck("channels")} | CONVOLUTIONAL,
        theory=theory.bottleneck,
        bottleneck=True,
        widths=CHANNELS,
    )
    register(
        "linear-bottleneck",
        f"{__name__}.bottleneck:build",
        summary="linear layers of m, k and m units",
        width_means="units m of the wide hidden layers",
        params={"activation": params.fixed("linear", "no activation"), "k": params.bottleneck()} | params.COMMON,
        theory=theory.bottleneck,
        bottleneck=True,
    )
    register(
        "fc-lazy",
        f"{__name__}.lazy:build",
        summary="two-copy net of fixed width under a growing output scale α",
        width_means="output scale α; the hidden width is fixed",
        params={"hidden": {"type": "int", "default": 64, "minimum": 1, "help": "units in each hidden layer"}}
        | ACTIVATION
        | DEPTH
        | params.WEIGHTS,
        theory=theory.lazy,
        widths=ALPHAS,
        grows=False,
    )
