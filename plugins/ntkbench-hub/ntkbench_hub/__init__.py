"""Plugin for ntkbench: models that people download, built from their constructors with random weights."""

from ntkbench import hookimpl

from . import catalogue

ntkbench_hooks = "0.1"


@hookimpl
def ntkbench_register_architectures(register):
    """Register the backbones of KerasHub and the networks of keras.applications."""
    catalogue.register_all(register)
