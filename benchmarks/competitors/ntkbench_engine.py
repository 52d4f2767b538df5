"""ntkbench: tangent kernels and Hessian norms through the public API, and the batched Hessian product they use."""

import math

import keras
import numpy as np
import tensorflow as tf
from serve import Prepared, serve

import ntkbench
from ntkbench import layers
from ntkbench.engine.hessian import FactoredHessian
from ntkbench.engine.model import network
from ntkbench.engine.structure import structure_of


def model(case):
    """Return the network of a case as a Keras model with the weights of the case."""
    made = []

    def through(net, x):
        for layer in net:
            if layer["kind"] == "average":
                x = keras.layers.GlobalAveragePooling2D()(x)
            elif layer["kind"] == "residual":
                x = keras.layers.Add()([x, through(layer["layers"], x)])
            else:
                options = {"activation": layer["activation"], "weight_std": layer["std"], "seed": len(made)}
                if layer["kind"] == "dense":
                    made.append(layers.Dense(layer["units"], **options))
                else:
                    made.append(layers.Conv2D(layer["filters"], layer["kernel"], **options))
                x = made[-1](x)
        return x

    inputs = keras.Input(tuple(case.inputs))
    built = keras.Model(inputs, through(case.net, inputs))
    for layer, weight in zip(made, case.weights, strict=True):
        layer.kernel.assign(weight)
    return built


def kernel(method):
    """Return a function that prepares `empirical_ntk` with the given method."""

    def prepare(case):
        net = model(case)

        def run():
            return {"value": ntkbench.empirical_ntk(net, case.x, outputs="full", method=method)}

        return Prepared(run)

    return prepare


def infinite(case):
    """Prepare the infinite-width tangent kernel of the same network."""
    limit = ntkbench.kernels.infinite_width(model(case))

    def run():
        return {"value": limit.matrix(case.x).numpy()}

    return Prepared(run)


def hessian_norm(case):
    """Prepare `hessian_norm` with its defaults. A unit of work is one Hessian-vector product of one sample."""
    net, counted = model(case), []
    product = FactoredHessian.matvec

    def counting(self, v):
        counted.append(math.prod(v.shape[:-1]))
        return product(self, v)

    def run():
        counted.clear()
        found = ntkbench.hessian_norm(net, case.x)
        detail = {
            "method": found.method,
            "iterations": int(found.iterations),
            "products": sum(counted),
            "converged": bool(np.all(found.converged)),
            "largest_relative_error": float(np.max(found.error / found.value)),
        }
        return {"value": found.value, "work": sum(counted) or case.n * detail["iterations"], "detail": detail}

    FactoredHessian.matvec = counting
    return Prepared(run)


def hessian_product(case):
    """Prepare one product with the Hessians of all samples at once."""
    net = network(model(case))
    x = net.inputs(case.x)
    operator = FactoredHessian(net, structure_of(net, x), x)
    vectors = operator.start(np.random.default_rng(0))

    def run():
        np.asarray(operator.matvec(vectors))
        return {"work": case.n, "detail": {"coordinates": int(operator.size)}}

    return Prepared(run)


def gradient(case):
    """Prepare the unit of cost: the compiled gradient of the sum over batch and outputs with respect to all weights."""
    net, x = model(case), tf.constant(case.x)
    variables = [v.value for v in net.trainable_variables]

    @tf.function(jit_compile=True, autograph=False)
    def compiled(x):
        with tf.GradientTape() as tape:
            target = tf.reduce_sum(net(x, training=False))
        return tape.gradient(target, variables)

    def run():
        for part in compiled(x):
            np.asarray(part)
        return {}

    return Prepared(run)


if __name__ == "__main__":
    serve(
        {
            "kernel": kernel("auto"),
            "kernel_by_jacobian": kernel("jacobian"),
            "hessian_norm": hessian_norm,
            "hessian_product": hessian_product,
            "gradient": gradient,
            "infinite": infinite,
        },
        ["ntkbench", "tensorflow", "keras", "numpy"],
    )
