"""Distances between two trained networks: of their weights, of their functions and of their activation patterns."""

import numpy as np

import ntkbench as nb

from .chosen import Chosen
from .norms import norm, unit

SIGN_PRESERVING = frozenset(
    ("relu", "leaky_relu", "elu", "selu", "celu", "silu", "swish", "gelu", "tanh", "erf", "softsign", "hard_tanh")
)
"""Names of activations φ with φ(z) > 0 where z > 0 and φ(z) ≤ 0 elsewhere."""


def parameter_distance(w, v):
    """Return ‖w − v‖₂ of two weight vectors [P]."""
    w, v = _pair(w, v)
    return norm(w - v)


def parameter_angle(w, v):
    """Return 1 − cos of the angle between two weight vectors [P], a number in [0, 2]; None if one of them is zero."""
    w, v = map(unit, _pair(w, v))
    norms = np.linalg.norm(w), np.linalg.norm(v)
    return float(np.linalg.norm(w / norms[0] - v / norms[1]) ** 2 / 2) if all(norms) else None


def disagreement(f, g):
    """Return the share of inputs that two classifiers put into different classes, from their outputs [N, C]."""
    f, g = _of_classes("a disagreement", f, g)
    return float(np.mean(f.argmax(1) != g.argmax(1)))


def probability_distance(f, g):
    """Return the mean over inputs of ‖softmax f − softmax g‖₂ of logits [N, C], a number in [0, √2]."""
    from scipy.special import softmax

    f, g = _of_classes("a distance of probabilities", f, g)
    return float(np.mean(np.linalg.norm(softmax(f, axis=-1) - softmax(g, axis=-1), axis=-1)))


def output_distance(f, g):
    """Return ‖f − g‖_F / ‖g‖_F of outputs [N, O]; infinity if only g is zero."""
    return nb.relative_change(*_pair(f, g))


def activation_pattern(model, x):
    """Return which hidden units are active, z > 0, at some inputs.

    Units are those of the dense, convolutional and activation layers of a functional or sequential Keras model whose
    activation has the sign of its input z (ReLU and its relatives, tanh, erf, ...). Other layers, those inside a nested
    model, and activations that are no layers are not among them.

    Args:
        model: The model.
        x: Inputs [m, ...].

    Returns:
        A boolean array [m, U], or None if there are no such units, or if a layer with such an activation is applied
        several times.
    """
    import keras

    model = model.model if isinstance(model, Chosen) else model
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        return None
    ends = {id(each) for each in model.outputs}
    try:
        outputs = [layer.output for layer in model.layers if _keeps_sign(layer)]
    except AttributeError:  # Keras knows no single output of a layer that is applied several times
        return None
    outputs = [each for each in outputs if id(each) not in ends]
    if not outputs:
        return None
    inputs = getattr(model, "input", None)  # which a sequential model may not have
    found = keras.Model(model.inputs[0] if inputs is None else inputs, outputs)(as_declared(model, x), training=False)
    found = found if isinstance(found, list | tuple) else [found]
    return np.concatenate([np.asarray(each).reshape(len(each), -1) > 0 for each in found], axis=1)


def as_declared(model, x):
    """Return the inputs of a model as [x] if the model was made with a list of one input, which Keras warns about."""
    declared = getattr(model, "input", None)
    return [x] if isinstance(declared, list) and len(declared) == 1 and not isinstance(x, list | tuple) else x


def _keeps_sign(layer):
    """Return whether the output of a layer has the sign of its preactivation; False for layers that are not known."""
    import keras

    from ntkbench import layers

    kinds = "Activation Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose Dense DepthwiseConv1D"
    kinds += " DepthwiseConv2D EinsumDense SeparableConv1D SeparableConv2D"
    known = [getattr(keras.layers, kind) for kind in kinds.split()] + [layers.Activation, layers.Conv2D, layers.Dense]
    if type(layer) is keras.layers.ReLU:
        return layer.threshold == 0
    if type(layer) in (keras.layers.LeakyReLU, keras.layers.ELU):
        return True
    return type(layer) in known and getattr(layer.activation, "__name__", "") in SIGN_PRESERVING


def pattern_distance(b, c):
    """Return the share of unequal entries of two activation patterns [m, U]: a normalised Hamming distance.

    Source: Fort et al. 2020 (arXiv 2010.15110), section 2.
    """
    b, c = np.asarray(b), np.asarray(c)
    if b.shape != c.shape:
        raise nb.NtkbenchError(f"The patterns have shapes {b.shape} and {c.shape}; the shapes must be equal.")
    return float(np.mean(b != c))


def _of_classes(what, f, g):
    f, g = _pair(f, g)
    if f.ndim != 2 or f.shape[1] < 2:
        raise nb.NtkbenchError(f"The outputs have shape {f.shape}; {what} needs one output per class, [N, C].")
    return f, g


def _pair(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        raise nb.NtkbenchError(f"The arrays have shapes {a.shape} and {b.shape}; the shapes must be equal.")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise nb.NtkbenchError("An array contains NaN or infinity, so there is no distance.")
    return a, b
