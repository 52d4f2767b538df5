"""The plugin ntkbench-twins: what it registers with ntkbench. Listing imports this file and nothing else."""

from ntkbench import CurveSpec, Quantity, hookimpl

ntkbench_hooks = "0.1"  # the version of the hooks that this was written for

DEPTH = {"depth": {"default": 2, "minimum": 1, "maximum": 16, "help": "number of hidden layers"}}


@hookimpl
def ntkbench_register_datasets(register):
    """Register pairs of digits."""
    register(
        "twins",
        "ntkbench_twins.data:load",
        summary="pairs of handwritten digits: do both show the same digit?",
        forms=["pair"],
        task="ntkbench_twins.data:load_task",
    )


@hookimpl
def ntkbench_register_architectures(register):
    """Register a network that cannot tell the first part of a pair from the second."""
    register(
        "symmetric",
        "ntkbench_twins.network:build",
        summary="fully connected, summed over both orders of a pair",
        inputs=["pair"],
        params=DEPTH,
        limit="ntkbench_twins.kernel:limit",
        theory={
            "gradient_norm": {"exponent": 0, "source": "derived: the tangent kernel has a limit"},
            "hessian_norm": {"exponent": -0.5, "source": "derived: the sum of two networks of Liu et al. (2020)"},
        },
    )


@hookimpl
def ntkbench_register_kernels(register):
    """Register the network's limit as a subject of its own."""
    register(
        "symmetric-kernel",
        "ntkbench_twins.kernel:kernel",
        summary="a tangent kernel of pairs, summed over both orders",
        inputs=["pair"],
        params=DEPTH,
    )


@hookimpl
def ntkbench_register_measurements(register):
    """Register how fast gradient flow on the tangent kernel fits the targets."""
    register(
        "flow",
        "ntkbench_twins.flow:measure",
        summary="gradient flow on the square loss, with the tangent kernel of initialisation",
        quantities=[
            Quantity(
                "flow_rate",
                "y'Ky/y'y",
                unit="f^2",
                bounds=(0.0, float("inf")),
                summary="rate at which the loss falls at first, half of it",
            )
        ],
        curves=[
            CurveSpec(
                "flow_loss",
                "L/L0",
                x_unit="time",
                unit="1",
                bounds=(0.0, 1.0),
                summary="share of the loss that is left",
            )
        ],
        at_infinity=True,
    )
