"""neural-tangents: its three algorithms, compiled, on the same network."""

import jax
import neural_tangents as nt
import numpy as np
from neural_tangents import stax
from serve import Prepared, serve

ACTIVATIONS = {"relu": stax.Relu, "tanh": None}


def network(net):
    """Return the stax layers of a case's network."""
    found = []
    for layer in net:
        if layer["kind"] == "average":
            found.append(stax.GlobalAvgPool())
        elif layer["kind"] == "residual":
            body = stax.parallel(stax.serial(*network(layer["layers"])), stax.Identity())
            found.append(stax.serial(stax.FanOut(2), body, stax.FanInSum()))
        else:
            if layer["kind"] == "dense":
                found.append(stax.Dense(layer["units"], W_std=layer["std"]))
            else:
                size = (layer["kernel"],) * 2
                found.append(stax.Conv(layer["filters"], size, padding="SAME", W_std=layer["std"]))
            if layer["activation"]:
                found.append(ACTIVATIONS[layer["activation"]]())
    return found


def algorithm(implementation):
    """Return a function that prepares one algorithm."""

    def prepare(case):
        init, apply, _ = stax.serial(*network(case.net))
        shapes = jax.eval_shape(lambda key: init(key, case.x.shape)[1], jax.random.PRNGKey(0))
        leaves, structure = jax.tree_util.tree_flatten(shapes)
        weights = [jax.numpy.asarray(w) for w in case.weights]
        if [w.shape for w in weights] != [leaf.shape for leaf in leaves]:
            raise ValueError(f"weights of shapes {[w.shape for w in weights]} for {[leaf.shape for leaf in leaves]}")
        parameters = jax.tree_util.tree_unflatten(structure, weights)
        kernel = nt.empirical_ntk_fn(apply, trace_axes=(), vmap_axes=0, implementation=implementation)
        compiled, x = jax.jit(kernel), jax.numpy.asarray(case.x)

        def run():
            return {"value": np.asarray(compiled(x, None, parameters).block_until_ready())}

        return Prepared(run)

    return prepare


def infinite(case):
    """Prepare the compiled infinite-width tangent kernel of the same network."""
    _, _, kernel = stax.serial(*network(case.net))
    compiled, x = jax.jit(lambda x: kernel(x, None, "ntk")), jax.numpy.asarray(case.x)

    def run():
        return {"value": np.asarray(compiled(x).block_until_ready())}

    return Prepared(run)


if __name__ == "__main__":
    ways = nt.NtkImplementation
    serve(
        {
            "structured": algorithm(ways.STRUCTURED_DERIVATIVES),
            "vector_products": algorithm(ways.NTK_VECTOR_PRODUCTS),
            "jacobian": algorithm(ways.JACOBIAN_CONTRACTION),
            "infinite": infinite,
        },
        ["neural-tangents", "jax", "jaxlib", "numpy"],
    )
