"""The registrations, a module for each family. Nothing here imports TensorFlow."""

from . import attention, convolutional, dense, graphs, mixtures, outputs, recurrent

FAMILIES = {
    "dense": dense,
    "convolutional": convolutional,
    "recurrent": recurrent,
    "attention": attention,
    "graphs": graphs,
    "mixtures": mixtures,
    "outputs": outputs,
}


def register_all(register):
    """Register every row, family by family."""
    for family, module in FAMILIES.items():

        def of_family(name, target, *, family=family, **spec):
            register(name, f"ntkbench_zoo.{target}", family=family, **spec)

        module.register_all(of_family)
