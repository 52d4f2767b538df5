"""The registrations. Nothing here imports TensorFlow or KerasHub."""

from .theory import derived, floor, linear, linear_with_kinks

FAMILY = "real-models"
FIXED = "hidden_dim; the number of heads (except heads=grow) and of layers and the expansion are fixed"
STEM = "channels of the first convolution; all other layers grow with it, rounded to multiples of 8"
WIDTHS = {"quick": (32, 64, 128, 256), "zoo": (32, 64, 128, 256, 512)}
STEMS = {"quick": (8, 16, 32), "zoo": (8, 16, 32)}
PARAMS = {
    "heads": {
        "default": 4,
        "minimum": 1,
        "words": ["grow"],
        "help": "number of heads, which must divide the width; grow: one head per 8 channels",
    },
    "layers": {"default": 1, "minimum": 1, "maximum": 32, "help": "number of transformer layers"},
}


def attention(given):
    """Return the claims on a transformer by its number of heads.

    The floor of the kernel shows only at large widths, because few scores among many weights bend it.
    """
    if given["heads"] == "grow":
        return linear(derived(1, "a score bends the output through 8 channels only, and the number of heads grows"))
    source = derived(2, "a score q·k/√d is one scalar with |∂²f/∂z²| ‖∂z/∂w‖² of order 1")
    return floor(source, hessian_from=8 * given["heads"], kernel_from=4096 * given["heads"])


def scaled_stream(given):
    """Return the claims on Gemma, whose first layer multiplies the embedding by √m.

    The stream is then √m times as large as what a block adds to it, and the last norm divides both by √m. With any
    number of heads a block enters the output with the factor m^(-1/2).
    """
    return linear(derived(1, "the stream is √m times the embedding, so that every block has the weight m^(-1/2) in it"))


def register_all(register):
    """Register every model."""

    def backbone(name, summary, inputs, theory=attention, bottleneck=lambda given: given["heads"] != "grow"):
        register(
            name,
            f"ntkbench_hub.backbones:build_{name.removeprefix('hub-')}",
            summary=summary,
            width_means=FIXED,
            inputs=inputs,
            params=PARAMS,
            theory=theory,
            bottleneck=bottleneck,
            pair=lambda given: name if given["heads"] == "grow" else f"{name}:heads=grow",
            priority={"B": ({}, {"heads": "grow"})},
            widths=WIDTHS,
            **common,
        )

    common = {
        "family": FAMILY,
        "variants": (),
        "known_limit": False,
        "seed_bits": 63,
        "units": "init",
        "redraw": "fan-in",
    }
    backbone("hub-llama", "KerasHub's Llama backbone with a readout of the last token", "tokens")
    backbone(
        "hub-gemma",
        "KerasHub's Gemma backbone with a readout of the last token",
        "tokens",
        theory=scaled_stream,
        bottleneck=False,
    )
    backbone("hub-gpt2", "KerasHub's GPT-2 backbone with a readout of the last token", "tokens")
    backbone("hub-bert", "KerasHub's BERT backbone with a readout of the mean token", "tokens")
    backbone("hub-vit", "KerasHub's ViT backbone with a readout of the class token", "image")
    register(
        "keras-mobilenetv2",
        "ntkbench_hub.applications:build_mobilenetv2",
        summary="MobileNetV2 of keras.applications with its own mean over pixels and a readout",
        width_means=f"{STEM}; the last layer keeps 1280 channels up to width 32",
        inputs="image",
        theory=linear_with_kinks(derived(1, "every layer's channels grow, and the 1280 of the last one are many")),
        pair="keras-efficientnet",
        priority={"C": ({},)},
        widths=STEMS,
        **common,
    )
    register(
        "keras-efficientnet",
        "ntkbench_hub.applications:build_efficientnet",
        summary="EfficientNet of keras.applications, B0 in depth, with its own mean over pixels and a readout",
        width_means=STEM,
        inputs="image",
        theory=linear(derived(1, "every layer's channels grow, and so do those of the squeezed gates")),
        pair="keras-mobilenetv2",
        priority={"C": ({},)},
        widths=STEMS,
        **common,
    )
