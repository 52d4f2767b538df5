"""Registrations of the convolutional family."""

from .theory import DAG, VERDICT, claims, derived, linear, linear_with_kinks

CHANNELS = {"quick": (16, 32, 64, 128), "zoo": (16, 32, 64, 128, 256)}
NORMS = ("none", "batch", "layer", "group", "group-fixed", "instance")
STAGES = "channels; the second block has twice as many"


def resnet(given):
    """Return the claims on a convolutional ResNet by its normalisation."""
    if given["norm"] == "none":
        return linear(f"{DAG}, appendix: ResNets are covered")
    if given["norm"] == "batch":
        return linear(derived(5, "statistics are constants, and each channel has a gain and an offset of its own"))
    if given["norm"] in ("layer", "group"):
        return linear(derived(3, "mean and variance average over a growing number of channels"))
    if given["norm"] == "instance":
        # Statistics over the pixels of one channel have tails too, of unknown power: pixels are correlated.
        return linear(derived(1, "each channel has statistics of its own, with tails"))
    tails = derived(8, "the variance of 8 channels has a tail with β = 7/2, and the Hessian takes the largest unit's")
    average = derived(8, "a kernel change averages over units")
    found = claims(average, hessian=-0.5, slope=-0.5)
    hessian = {"exponent": -0.5 + 2 / 7, "source": tails}
    return found | {"hessian_norm": hessian, "curvature_ratio": hessian}


def register_all(register):
    """Register the family."""

    def convolutional(name, target, **spec):
        spec = {"width_means": "channels", "widths": CHANNELS} | spec
        register(name, f"convolutional:{target}", inputs="image", **spec)

    convolutional(
        "vgg",
        "build_vgg",
        summary="3×3 convolutions and maxima over 2×2 pixels, ReLU",
        theory=linear_with_kinks(derived(4, "weights are reused at every pixel")),
        pair="cnn",
        priority="A",
    )
    convolutional(
        "conv-resnet",
        "build_resnet",
        summary="convolutional ResNet of two blocks with a choice of normalisations",
        width_means=STAGES,
        params={"norm": {"default": "none", "choices": NORMS, "help": "normalisation before each activation"}},
        theory=resnet,
        # The limit of trained gains in front of an activation is not that of independent units, which ntkbench reads.
        known_limit=lambda given: given["norm"] == "none",
        pair=lambda given: "cnn" if given["norm"] == "none" else "conv-resnet",
        priority={
            # group-fixed is a control: its Hessian has tails.
            "A": ({}, *({"norm": each} for each in ("batch", "layer", "group", "group-fixed"))),
            "C": ({"norm": "instance"},),
        },
        decided_by=lambda given: VERDICT if given["norm"] == "group-fixed" else (),
    )
    convolutional(
        "mobilenet",
        "build_mobilenet",
        summary="inverted bottlenecks with 3×3 depthwise convolutions",
        width_means="channels; hidden layers have four times as many",
        theory=linear(derived(5, "each channel of a depthwise convolution has 9 weights of its own")),
        pair="conv-resnet",
        priority="A",
    )
    convolutional(
        "convnext",
        "build_convnext",
        summary="7×7 depthwise convolutions, normalisation, a wide layer and layer scale",
        width_means="channels; hidden layers have four times as many",
        theory=linear(derived(5, "each channel has 49 weights and a scale of its own") + "; R3: norms are averages"),
        pair="mobilenet",
        priority="A",
    )
    convolutional(
        "unet",
        "build_unet",
        summary="U-net of one level with a skip connection",
        width_means="channels; the lower level has twice as many",
        theory=linear(f"{DAG}: joined channels are those of a DenseNet"),
        pair="conv-resnet",
        priority="A",
    )
    convolutional(
        "resnext",
        "build_resnext",
        summary="residual blocks with a 3×3 convolution in 8 groups of channels",
        theory=linear(derived(1, "fan-in is that of a group")),
        pair="conv-resnet",
        priority="B",
    )
    convolutional(
        "efficientnet",
        "build_efficientnet",
        summary="inverted bottlenecks with a gate for each channel",
        width_means="channels; hidden layers have four times as many",
        theory=linear(derived(1, "each channel has a gate, from a growing number of units; R3: means over channels")),
        pair="mobilenet",
        priority="B",
    )
    convolutional(
        "conv-densenet",
        "build_densenet",
        summary="3×3 convolutions, each of the input and all earlier layers",
        theory=linear(f"{DAG}: DenseNets are covered"),
        pair="cnn",
        priority="C",
    )
