"""Models with several outputs, of which one is measured."""


class Chosen:
    """A model as a function whose value is one of its outputs.

    Args:
        model: A Keras model whose outputs are a dict, tuple or list.
        name: Key, name or index of the output; None if there is only one.
    """

    def __init__(self, model, name=None):
        self.model, self.name = model, name
        self.trainable_variables = [each.value if hasattr(each, "path") else each for each in model.trainable_variables]

    def __call__(self, inputs, training=False):
        found = self.model(inputs, training=training)
        if isinstance(found, dict):
            return found[next(iter(found)) if self.name is None else self.name]
        names = list(getattr(self.model, "output_names", ()))
        return found[names.index(self.name) if self.name in names else self.name or 0]


def measured_model(ctx):
    """Return the model of a context, reduced to the measured output if it has several."""
    several = isinstance(getattr(ctx.model, "output", None), dict | list | tuple)
    return Chosen(ctx.model, ctx.network.output_name) if several else ctx.model
