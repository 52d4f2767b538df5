"""Plugin for ntkbench: the Recurrent Neural Tangent Kernel and recurrent networks, on sequences of different length."""

import importlib

from ntkbench import CurveSpec, Quantity, hookimpl

from . import names

ntkbench_hooks = "0.1"

ACTIVATIONS = ("relu", "erf", "tanh", "linear", "leaky_relu", "abs", "sin", "gelu", "sigmoid", "softplus", "silu")
PARAMS = {
    "depth": {"default": 1, "minimum": 1, "maximum": 100, "help": "number of recurrent layers L"},
    "activation": {"default": "relu", "choices": ACTIVATIONS, "help": "activation of the states"},
    "weight_std": {"default": 2**0.5, "minimum": 0.0, "help": "standard deviation σ_w of the recurrent weights"},
    "input_std": {"default": 1.0, "minimum": 0.0, "help": "standard deviation σ_u of the input weights"},
    "bias_std": {"default": 0.0, "minimum": 0.0, "help": "standard deviation σ_b of the biases"},
    "output_std": {"default": 1.0, "minimum": 0.0, "help": "standard deviation σ_v of the readout weights"},
    "initial_std": {
        "default": 0.0,
        "minimum": 0.0,
        "help": "standard deviation σ_h of the state before the first step",
    },
    "frozen": {
        "default": 0,
        "minimum": 0,
        "at_most": "depth",
        "help": "number of first layers L_f that are not trained",
    },
    "pooling": {
        "default": "none",
        "choices": ("none", "untied", "tied"),
        "help": "readout: of the last state (none), or the mean of all states with one readout per step (untied) or "
        "one for all steps (tied)",
    },
    "direction": {
        "default": "forward",
        "choices": ("forward", "backward", "bidirectional"),
        "help": "order in which the steps are read",
    },
    "kind": {"default": "ntk", "choices": ("ntk", "nngp"), "help": "tangent kernel (ntk) or output covariance (nngp)"},
}

INFINITY = float("inf")
FORMS = ["sequence", "ragged"]
SMOOTH = ("erf", "relu", "tanh", "linear", "sin", "gelu", "sigmoid", "softplus", "silu")
INIT = {"init": {"default": "gaussian", "choices": ("gaussian", "orthogonal"), "help": "how square matrices are drawn"}}
NETWORK = {name: spec for name, spec in PARAMS.items() if name not in ("kind", "frozen", "initial_std")} | {
    "activation": PARAMS["activation"] | {"default": "erf", "choices": SMOOTH}
}
DEPTH = {"depth": PARAMS["depth"]}

RNTK = "Alemohammad et al. 2021 (arXiv 2006.10246): the tangent kernel has a limit"
MEAN = "derived: the kernel is a mean over m random units, which scatters by 1/√m around its limit"
GATED = "Yang, Littwin 2021 (arXiv 2105.03703): the tangent kernel has a limit"
_REUSE = f"derived: a wide matrix that is used a fixed number of times is a sum over many units; {GATED}"
_VELOCITY = "the kernel's velocity is a sum over m units of random sign, each m^(-3/2)"
REUSED = {
    "gradient_norm": {"exponent": 0, "source": GATED},
    "hessian_norm": {"exponent": -0.5, "source": _REUSE},
    "curvature_ratio": {"exponent": -0.5, "source": _REUSE},
    "kernel_change_worst": {"exponent": -0.5, "source": _REUSE},
    "kernel_slope": {"exponent": -0.5, "source": _REUSE},
    "kernel_change_gd": {"exponent": -1, "source": f"{_REUSE}; {_VELOCITY}"},
}
"""What theory predicts of gated networks of a fixed number of steps."""


@hookimpl
def ntkbench_register_architectures(register):
    """Register the networks."""
    register(
        "recurrent",
        "ntkbench_recurrent.networks:recurrent",
        summary="recurrent layers, in both directions, with pooling",
        width_means="units of each state",
        inputs=FORMS,
        params=NETWORK | INIT,
        theory={
            "gradient_norm": {"exponent": 0, "source": RNTK},
            "kernel_convergence": {"exponent": -0.5, "source": MEAN},
        },
        limit="ntkbench_recurrent.networks:limit",
        seed_bits=63,
    )
    for name, unit in (("gru", "gated recurrent units"), ("lstm", "long short-term memory")):
        register(
            name,
            f"ntkbench_recurrent.networks:{name}",
            summary=f"{unit}, for comparison",
            width_means="units of each state",
            inputs=FORMS,
            params=DEPTH,
            theory=REUSED,
            known_limit=False,  # there is a limit, but no closed form
            widths={"zoo": (32, 64, 128, 256, 512)},
            family="recurrent",
            pair="rnn",
            priority="A",
            seed_bits=63,
        )


@hookimpl
def ntkbench_register_datasets(register):
    """Register the synthetic dataset, and those that have files."""
    register(
        "tones",
        "ntkbench_recurrent.tones:load",
        summary="tones and noise of different length",
        forms=["ragged", "sequence"],
        params={"steps": {"default": 12, "minimum": 3, "maximum": 10000, "help": "largest number of steps"}},
    )
    for name, module, suffix, forms, summary, default, choices in (
        ("series", "series", "", ["sequence", "vector"], "time series of the UCR archive", "GunPoint", names.SERIES),
        (
            "ragged-series",
            "series",
            "",
            ["ragged", "vector"],
            "time series of different length, of the UCR and UEA archives",
            "JapaneseVowels",
            names.RAGGED_SERIES,
        ),
        (
            "table",
            "tables",
            "",
            ["sequence", "vector"],
            "tables of scikit-learn and KEEL, one feature per step",
            "iris",
            names.SKLEARN + names.KEEL,
        ),
        (
            "uci",
            "tables",
            "_uci",
            ["sequence", "vector"],
            "90 tables of the UCI repository, one feature per step",
            "iris",
            names.UCI90,
        ),
    ):
        register(
            name,
            f"ntkbench_recurrent.{module}:load{suffix}",
            task=f"ntkbench_recurrent.{module}:load{suffix}_task",
            summary=summary,
            forms=forms,
            params={"name": {"default": default, "choices": choices, "help": "name of the dataset"}},
        )
    ucr = [f"series:name={name}" for name in names.UCR] + [f"ragged-series:name={name}" for name in names.UCR_RAGGED]
    register("ucr", members=ucr, summary="the UCR archive of 2018, without four datasets that have missing values")
    register("ucr-short", members=names.SHORT_SERIES, summary="13 time-series datasets on which a CPU takes minutes")
    register("small-tables", members=names.SMALL_TABLES, summary="14 tables on which a CPU takes minutes")
    register("uci90", members=[f"uci:name={name}" for name in names.UCI90], summary="90 tables of arXiv 2012.04859")


@hookimpl
def ntkbench_register_kernels(register):
    """Register the kernels."""
    register(
        "rntk",
        "ntkbench_recurrent.kernels:rntk",
        summary="recurrent networks; input: sequences, also of different length",
        inputs=FORMS,
        params=PARAMS,
    )
    register(
        "dtw",
        "ntkbench_recurrent.alignment:dtw",
        summary="global alignment kernel, of dynamic time warping; input: sequences, also of different length",
        inputs=["ragged", "sequence"],
        params={"bandwidth": {"default": 1.0, "minimum": 1e-3, "help": "bandwidth b"}},
    )


@hookimpl
def ntkbench_register_measurements(register):
    """Register the protocols of the papers as measurements."""
    share = {"bounds": (0.0, 1.0)}
    quantities = [
        Quantity("test_accuracy", "accuracy", **share, summary="share of right classes on the test part"),
        Quantity("validation_accuracy", "accuracy (val.)", **share, summary="the same on validation samples, at best"),
        Quantity(
            "chosen_setting",
            "setting",
            bounds=(0.0, INFINITY),
            summary="number of the chosen pair of setting and cost in the protocol's grid, or of the checkpoint",
        ),
        Quantity("best_settings", "ties", bounds=(1.0, INFINITY), summary="number of pairs with the best accuracy"),
    ]
    for name, summary in (
        ("rntk2020", "accuracy by the protocol of arXiv 2006.10246, with a coarse grid"),
        ("rntk2020-full", "accuracy by the protocol of arXiv 2006.10246, with its grid of 900 kernels"),
        ("rntk2021", "accuracy by the protocol of arXiv 2012.04859"),
    ):
        register(
            name,
            f"ntkbench_recurrent.classify:{name.replace('-', '_')}",
            summary=summary,
            needs="task",
            at_infinity=True,
            quantities=quantities,
        )
    register(
        "sensitivity",
        "ntkbench_recurrent.sensitivity:measure",
        summary="which steps of a sequence the tangent kernel depends on",
        at_infinity=True,
        quantities=[
            Quantity(
                "sensitivity_centre",
                "centre",
                **share,
                summary="centre of mass of the sensitivity over the steps: 0 for the first step, 1 for the last",
            )
        ],
        curves=[
            CurveSpec(
                "step_sensitivity",
                "s",
                x_unit="position",
                bounds=(0.0, 1.0),
                summary="sensitivity of the tangent kernel to each step, divided by its largest value",
            )
        ],
    )


@hookimpl
def ntkbench_register_suites(register):
    """Register the suites."""
    for name, summary in (
        ("rntk2020", "kernels and trained networks on short time series (arXiv 2006.10246)"),
        ("rntk2021", "kernels and trained networks on tables read as series (arXiv 2012.04859)"),
    ):
        register(name, f"ntkbench_recurrent.suites:{name}", summary=summary)


def __getattr__(name):
    """Import `rntk` on first use, so that `ntkbench list` stays fast."""
    if name == "rntk":
        return importlib.import_module("ntkbench_recurrent.kernels").rntk
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
