"""Registrations of the attention family: attention and mixing of tokens."""

from .dense import grow
from .recurrent import WIDTHS
from .theory import derived, floor, linear

FINITE_HEADS = "arXiv 2506.00846: with finitely many heads the scores stay random"
HEADS = grow(4, "number of heads, which must divide the width; grow: one head per 8 channels")
FIXED = "channels and hidden units; the number of heads is fixed, except for heads=grow"


def attention(given):
    """Return the claims on a network with attention by its number of heads.

    The floor of the kernel shows only at large widths; see `attention` of ntkbench.
    """
    if given["heads"] == "grow":
        return linear(derived(1, "a score bends the output through 8 channels only, and the number of heads grows"))
    source = derived(2, "a score q·k/√d is one scalar with |∂²f/∂z²| ‖∂z/∂w‖² of order 1") + f"; {FINITE_HEADS}"
    return floor(source, hessian_from=8 * given["heads"], kernel_from=4096 * given["heads"])


def register_all(register):
    """Register the family."""

    def with_heads(name, target, pair, **spec):
        register(
            name,
            f"attention:{target}",
            width_means=FIXED,
            params={"heads": HEADS},
            theory=attention,
            bottleneck=lambda given: given["heads"] != "grow",
            known_limit=False,
            widths=WIDTHS,
            pair=lambda given: name if given["heads"] == "grow" else pair,
            **spec,
        )

    with_heads(
        "linear-attention",
        "build_linear_attention",
        "linear-attention:heads=grow",
        summary="attention with scores instead of their softmax",
        inputs="sequence",
        priority={"A": ({},), "B": ({"heads": "grow"},)},
    )
    with_heads(
        "decoder",
        "build_decoder",
        "attention",
        summary="causal transformer block on tokens with a readout of the last one",
        inputs="tokens",
        priority={"A": ({},), "B": ({"heads": "grow"},)},
    )
    with_heads(
        "vit",
        "build_vit",
        "attention",
        summary="vision transformer block on patches with a class token",
        inputs="image",
        priority={"A": ({},), "B": ({"heads": "grow"},)},
    )
    register(
        "fnet",
        "attention:build_fnet",
        summary="Fourier transform over steps and channels instead of attention",
        width_means="channels and hidden units",
        inputs="sequence",
        theory=linear(derived(1, "nothing that is trained mixes steps")),
        widths=WIDTHS,
        pair="mlp-mixer",
        priority="A",
    )
    shared = "all channels share the weights that mix steps"
    register(
        "gmlp",
        "attention:build_gmlp",
        summary="gated MLP: one half of the channels, mixed over steps, multiplies the other half",
        width_means="channels and hidden units",
        inputs="sequence",
        theory=floor(derived(6, shared), hessian_from=1024, kernel_from=1024),
        bottleneck=True,
        known_limit=False,
        widths=WIDTHS,
        pair="fnet",
        priority="B",
    )
    register(
        "token-mix",
        "attention:build_token_mix",
        summary="one trained matrix mixes steps",
        width_means="channels and hidden units",
        inputs="sequence",
        theory=floor(derived(6, shared)),
        bottleneck=True,
        known_limit=False,
        widths=WIDTHS,
        pair="fnet",
        priority="B",
    )
    register(
        "perceiver",
        "attention:build_perceiver",
        summary="trained latents read the steps by attention with 4 heads",
        width_means="channels and hidden units; the number of latents and heads is fixed",
        inputs="sequence",
        params={"latents": {"default": 4, "minimum": 1, "maximum": 64, "help": "number of latents"}},
        theory=floor(derived(2, "a score q·k/√d of few heads is one scalar"), hessian_from=32, kernel_from=4096 * 4),
        bottleneck=True,
        known_limit=False,
        widths=WIDTHS,
        pair="attention",
        priority="B",
    )
    with_heads(
        "retnet",
        "build_retnet",
        "retnet:heads=grow",
        summary="retention: scores that decay with the lag, without a softmax",
        inputs="sequence",
        priority={"C": ({}, {"heads": "grow"})},
    )
    with_heads(
        "bert",
        "build_bert",
        "attention",
        summary="post-norm transformer block",
        inputs="sequence",
        priority={"C": ({},)},
    )
    register(
        "attention-bias",
        "attention:build_attention_bias",
        summary="attention with 4 heads and scores q·k/d, plus a trained bias for each pair of steps",
        width_means="channels and hidden units; the number of heads is fixed",
        inputs="sequence",
        theory=floor(derived(6, "all channels share the biases that mix steps"), hessian_from=1024, kernel_from=1024),
        bottleneck=True,
        known_limit=False,
        widths=WIDTHS,
        pair="attention:scale=inverse",
        priority="C",
    )
    register(
        "attention-pool",
        "attention:build_attention_pool",
        summary="softmax of one trained query over steps, or their mean",
        width_means="channels",
        inputs="sequence",
        params={
            "pool": {"default": "attention", "choices": ("attention", "mean"), "help": "weights of the steps"},
        },
        theory=lambda given: (
            floor(derived(2, "the query's score of a step is one scalar"))
            if given["pool"] == "attention"
            else linear(derived(4, "weights are reused at every step"))
        ),
        bottleneck=lambda given: given["pool"] == "attention",
        known_limit=False,
        widths=WIDTHS,
        pair=lambda given: "attention-pool" if given["pool"] == "mean" else "attention-pool:pool=mean",
        priority={"C": ({}, {"pool": "mean"})},
    )
    register(
        "set-transformer",
        "attention:build_set_transformer",
        summary="attention of a set through 4 trained points, with 4 heads",
        width_means="channels and hidden units; the number of points and heads is fixed",
        inputs="set",
        params={"points": {"default": 4, "minimum": 1, "maximum": 64, "help": "number of trained points"}},
        theory=floor(derived(2, "a score q·k/√d of few heads is one scalar"), hessian_from=32, kernel_from=4096 * 4),
        bottleneck=True,
        known_limit=False,
        widths=WIDTHS,
        pair="deepsets",
        priority="C",
    )
    register(
        "tied-embedding",
        "attention:build_tied_embedding",
        summary="language model whose embedding is also its readout",
        width_means="entries of the embedding and hidden units",
        inputs="tokens",
        theory=linear(derived(1, "each entry of the embedding is one of many units; R4: it is used twice")),
        known_limit=False,
        widths=WIDTHS,
        pair="decoder",
        priority="C",
    )
