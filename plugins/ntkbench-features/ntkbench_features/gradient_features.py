"""Gradients of a finite network as features, as a transformer."""

import keras
import tensorflow as tf

import ntkbench as nb
from ntkbench import NtkbenchError

from .sketches import CountSketch, in_dtype
from .transformer import Features, dense, require_whole, shape_of_input


class GradientFeatures(Features):
    """Gradients ∂f_o(x)/∂w of a network at its current weights, of all outputs o, optionally sketched.

    Their inner products are the empirical tangent kernel, summed over the outputs (`ntkbench.empirical_ntk`); with a
    count sketch of n_components features, unbiased estimates of it. Features have the precision of the network, not
    that of the inputs: float32 for a float32 network. Each batch holds all gradients in memory, so choose batch_size by
    the number of weights.

    Args:
        model: A Keras model; its weights at the time of `transform` count. Or a function of input_shape, called by
            `fit`, that returns one.
        input_shape: Shape of one input of the model, such as (8, 8, 1) for images; default: vectors.
        n_components: Number of features of the count sketch; None for the gradients themselves.
        random_state: Seed or generator of scikit-learn, for the sketch.
        batch_size: Inputs transformed at a time.
        progress: Called with the fraction of completed inputs.

    Attributes:
        model_: The model.
    """

    def __init__(self, model, *, input_shape=None, n_components=None, random_state=None, batch_size=64, progress=None):
        self.model = model
        self.input_shape = input_shape
        self.n_components = n_components
        self.random_state = random_state
        self.batch_size = batch_size
        self.progress = progress

    def _fit(self, X, rng):
        self._shape = shape_of_input(self.input_shape, X.shape[1])
        if not callable(self.model):  # Keras models are
            raise NtkbenchError(
                f"model={self.model!r} is invalid; pass a Keras model, or a function of input_shape that returns one."
            )
        self.model_ = self.model if isinstance(self.model, keras.Model) else self.model(self._shape)
        gradients = nb.jacobian(self.model_, dense(X[:1]).reshape(1, *self._shape))
        size, self._precision = gradients.size, gradients.dtype
        self.sketch_ = None
        if self.n_components is not None:
            self.sketch_ = CountSketch.draw(rng, size, require_whole("n_components", self.n_components, 1))
        self._n_features_out = size if self.n_components is None else self.n_components

    def _map(self, dtype):
        sketch = None if self.sketch_ is None else in_dtype(self.sketch_, dtype)

        def of_batch(x):
            x = x.numpy().reshape(-1, *self._shape)
            gradients = tf.convert_to_tensor(nb.jacobian(self.model_, x).reshape(len(x), -1))
            return gradients if sketch is None else sketch(gradients)

        return of_batch

    def _dtype(self, inputs):
        del inputs
        return self._precision

    def __sklearn_tags__(self):
        """Return scikit-learn's tags of the transformer."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags
