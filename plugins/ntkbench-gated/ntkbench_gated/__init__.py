"""Plugin for ntkbench: gated networks (GLU, SwiGLU, highway networks, and mixtures of experts with soft routing)."""

import functools

from ntkbench import hookimpl

ntkbench_hooks = "0.1"

LIMIT = "derived: the tangent kernel has a limit"
UNITS = "derived: each of m gated units enters the output through a weight of order 1/√m"
VELOCITY = "derived: the kernel's velocity is a sum over m gated units of random sign, each m^(-3/2)"
ROUTER = "derived: |∂²f/∂z²| ‖∂z/∂w‖² for one of the router's few logits z"
BECOMES_LINEAR = {
    "gradient_norm": {"exponent": 0, "source": LIMIT},
    "hessian_norm": {"exponent": -0.5, "source": UNITS},
    "curvature_ratio": {"exponent": -0.5, "source": UNITS},
    "kernel_change_worst": {"exponent": -0.5, "source": UNITS},
    "kernel_change_gd": {"exponent": -1, "source": VELOCITY},
}
# At practical widths the kernel of a SwiGLU network changes by more than 100 %, so theory's exponents do not show yet.
AT_THE_START = {name: BECOMES_LINEAR[name] for name in ("gradient_norm", "hessian_norm", "curvature_ratio")}
GATES = ("sigmoid", "silu", "gelu", "linear")


def depth(default, what):
    """Return the specification of the parameter `depth`, the number of layers."""
    return {"depth": {"default": default, "minimum": 1, "maximum": 64, "help": f"number of {what}"}}


def routed(params):
    """Return theory's claims on a mixture of experts, which hold for widths well above the number of experts."""
    bends = {"exponent": 0, "source": ROUTER, "from_width": 8 * params["experts"]}
    stay = ("hessian_norm", "curvature_ratio", "kernel_change_worst", "kernel_change_gd")
    return {"gradient_norm": {"exponent": 0, "source": LIMIT}} | dict.fromkeys(stay, bends)


@hookimpl
def ntkbench_register_architectures(register):
    """Register the gated networks."""
    register = functools.partial(register, seed_bits=63)
    gate = {"gate": {"default": "sigmoid", "choices": GATES, "help": "activation of the gates; linear is bilinear"}}
    register(
        "glu",
        "ntkbench_gated.glu:build",
        summary="fully connected network with gated linear units",
        params=gate | depth(2, "gated layers"),
        theory=BECOMES_LINEAR,
    )
    register(
        "swiglu",
        "ntkbench_gated.glu:build",
        summary="fully connected network with gates x · sigmoid(x)",
        params={"gate": {"default": "silu", "choices": ("silu",), "help": "activation of the gates"}}
        | depth(2, "gated layers"),
        theory=AT_THE_START,
    )
    register(
        "highway",
        "ntkbench_gated.highway:build",
        summary="highway network: gates mix the input and the output of each layer",
        params={
            "carry": {
                "default": 1.0,
                "minimum": -10,
                "maximum": 10,
                "help": "gate offset; larger values close the gates",
            }
        }
        | depth(3, "highway layers"),
        theory=BECOMES_LINEAR,
    )
    register(
        "moe",
        "ntkbench_gated.mixture:build",
        summary="mixture of a fixed number of experts with soft routing",
        width_means="hidden units of each expert; the number of experts is fixed",
        params={"experts": {"default": 4, "minimum": 2, "maximum": 64, "help": "number of experts"}},
        theory=routed,
        bottleneck=True,  # the router's logits: one per expert
    )
