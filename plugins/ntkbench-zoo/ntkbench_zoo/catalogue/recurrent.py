"""Registrations of the recurrent family: recurrent networks and state-space models."""

from .dense import grow
from .theory import DAG, VERDICT, derived, exactly_linear, floor, linear

WIDTHS = {"quick": (16, 40, 104, 256), "zoo": (32, 64, 128, 256, 512)}
TP2 = "Yang 2020 (arXiv 2006.14548): the tangent kernel has a limit"


def mamba(given):
    """Return the claims on Mamba by its number of heads; a growing state does not help, because scores are q·k/√d."""
    if given["heads"] == "grow":
        return linear(derived(1, "the products C_t·B_s of a head bend 8 channels only, and the number of heads grows"))
    why = "the products C_t·B_s are shared by all channels of a head"
    return floor(derived(2, why), hessian_from=32 * given["heads"], kernel_from=32 * given["heads"])


def mlstm(given):
    """Return the claims on a matrix memory by its number of heads."""
    if given["heads"] == "grow":
        return linear(derived(1, "scores and gates of a head bend 8 channels only, and the number of heads grows"))
    why = "all channels of a head share its gates and its scores q·k/√d"
    return floor(derived(2, why), hessian_from=32 * given["heads"], kernel_from=32 * given["heads"])


def register_all(register):
    """Register the family."""

    def recurrent(name, target, **spec):
        spec = {"width_means": "channels", "inputs": "sequence", "widths": WIDTHS} | spec
        register(name, f"recurrent:{target}", **spec)

    recurrent(
        "echo-state",
        "build_echo_state",
        summary="frozen recurrent network with a trained readout; exactly linear in its parameters",
        width_means="units of the state",
        theory=exactly_linear("derived: the tangent kernel has a limit"),
        pair="rnn",
        priority="A",  # a control
        decided_by=VERDICT,
    )
    recurrent(
        "s4d",
        "build_s4d",
        summary="diagonal state-space model: a convolution kernel for each channel, from four modes",
        theory=linear(derived(5, "each channel has poles and weights of its own")),
        pair="mamba",
        priority="A",
    )
    recurrent(
        "mamba",
        "build_mamba",
        summary="selective state-space model",
        width_means="channels; the number of heads is fixed, except for heads=grow",
        params={
            "heads": grow(1, "number of heads, each with its own B and C; grow: one per 8 channels"),
            "state": grow(4, "entries of B and C of each head; grow: width/8"),
        },
        theory=mamba,
        bottleneck=lambda given: given["heads"] != "grow",
        known_limit=False,
        pair=lambda given: "mamba:heads=grow" if given == {"heads": 1, "state": 4} else "mamba",
        priority={"A": ({}, {"heads": "grow"}), "C": ({"state": "grow"},)},
    )
    recurrent(
        "rwkv",
        "build_rwkv",
        summary="attention with weights of its own for each channel, which decay with the lag",
        theory=linear(derived(1, "each channel has logits of its own")),
        pair="attention",
        priority="A",
    )
    recurrent(
        "tcn",
        "build_tcn",
        summary="causal convolutions over time, dilated by 1 and 2",
        theory=linear(f"{DAG}: convolutional networks are covered"),
        pair="rnn:read=average",
        priority="B",
    )
    recurrent(
        "lru",
        "build_lru",
        summary="linear recurrent unit: a complex pole for each channel",
        theory=linear(derived(5, "each channel has a pole of its own; arXiv 2402.12241 on diagonal recurrences")),
        pair="s4d",
        priority="B",
    )
    recurrent(
        "birnn",
        "build_birnn",
        summary="two recurrent networks, forwards and backwards in time, with a readout of both last states",
        width_means="units of each state",
        theory=linear(derived(4, f"weights are reused at every step; {TP2}")),
        pair="rnn",
        priority="C",
    )
    recurrent(
        "mlstm",
        "build_mlstm",
        summary="xLSTM's matrix memory: exponential input gates, a smooth normaliser",
        width_means="channels; the number of heads is fixed, except for heads=grow",
        params={"heads": grow(4, "number of heads, which must divide the width; grow: one head per 8 channels")},
        theory=mlstm,
        bottleneck=lambda given: given["heads"] != "grow",
        known_limit=False,
        pair=lambda given: "mlstm" if given["heads"] == "grow" else "slstm",
        priority={"C": ({},)},
    )
    recurrent(
        "slstm",
        "build_slstm",
        summary="xLSTM's scalar memories: exponential input gates, recurrent weights within heads of 8 channels",
        theory=linear(derived(1, "each channel has gates of its own; R4: weights are reused at every step")),
        pair="mlstm",
        priority="C",
    )
