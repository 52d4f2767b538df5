"""The plugin ntkbench-template: what it registers with ntkbench. Listing imports this file and nothing else."""

from ntkbench import hookimpl

ntkbench_hooks = "0.1"  # the version of the hooks that this was written for

SMOOTH = "Zhu, Liu, Belkin 2022 (arXiv 2205.11786), theorem 3.6"


@hookimpl
def ntkbench_register_architectures(register):
    """Register the architecture."""
    register(
        "template",
        "ntkbench_template.network:build",
        summary="fully connected, sine activation",
        width_means="units in each hidden layer",
        params={"depth": {"default": 2, "minimum": 1, "maximum": 64, "help": "number of hidden layers"}},
        # What theory says, quantity by quantity; leave out what it does not say.
        theory={
            "gradient_norm": {"exponent": 0, "source": "derived: the tangent kernel has a limit"},
            "hessian_norm": {"exponent": -0.5, "source": SMOOTH},
            "kernel_change_worst": {"exponent": -0.5, "source": f"derived: {SMOOTH}"},
        },
    )
