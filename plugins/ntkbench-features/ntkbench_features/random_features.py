"""Random features of the tangent kernel of a fully connected network, as a transformer."""

from functools import partial

from ntkbench import NtkbenchError

from .activations import activation_of
from .sketches import TensorCountSketch, TensorSRHT, in_dtype
from .tangent import draw_layers, features
from .transformer import Features, require_one_of, require_whole

SKETCHES = {"srht": TensorSRHT, "count": TensorCountSketch}
SAMPLING = {"gaussian": False, "leverage": True}


class NTKRandomFeatures(Features):
    """Random features of the tangent kernel of a fully connected network without biases.

    For ReLU it is |x||x'| Θ_L. In general it is Θ_L of S_0 = Θ_0 = ⟨x, x'⟩, S_h = E[φ(u)φ(u')] and
    Θ_h = Θ_{h−1} E[φ'(u)φ'(u')] + S_h, where (u, u') are Gaussian with the covariance S_{h−1} of their pair of inputs,
    and φ is the activation divided by √E[φ(z)²], z ~ N(0, 1). Scale inputs of other activations to a norm of order 1.

    Half of the features (of every layer) are random units φ(⟨w, ·⟩), which stand for the last layer's weights. The
    others sketch the product of the tangent features of the layers below with random slopes φ'(⟨w, ·⟩). The error of
    the kernel falls like n_components^(−1/2).

    Args:
        n_components: Number of features. At least 3 are drawn: one unit, and real and imaginary part of a
            sketch.
        depth: Number of hidden layers L.
        activation: Name of an activation, as in `ntkbench.layers`.
        sketch: "srht" (TensorSRHT) or "count" (count sketches and circular convolution).
        sampling: Distribution of the weights of the units: "gaussian", or "leverage" for their leverage scores, with
            ReLU only.
        random_state: Seed or generator of scikit-learn.
        batch_size: Inputs transformed at a time.
        progress: Called with the fraction of completed inputs.

    Source: Han et al. 2021 (arXiv 2104.01351), algorithm 1; Zandieh et al. 2021 (arXiv 2106.07880).

    Examples:
        >>> import numpy as np
        >>> x = np.eye(3)
        >>> z = NTKRandomFeatures(4000, random_state=0).fit_transform(x)
        >>> print(z.shape, np.abs(z @ z.T - relu_ntk(x @ x.T, depth=1)).max() < 0.1)
        (3, 4000) True
    """

    def __init__(
        self,
        n_components=1000,
        *,
        depth=1,
        activation="relu",
        sketch="srht",
        sampling="gaussian",
        random_state=None,
        batch_size=1024,
        progress=None,
    ):
        self.n_components = n_components
        self.depth = depth
        self.activation = activation
        self.sketch = sketch
        self.sampling = sampling
        self.random_state = random_state
        self.batch_size = batch_size
        self.progress = progress

    def _fit(self, X, rng):
        sizes = sizes_of(require_whole("n_components", self.n_components, 1))
        depth = require_whole("depth", self.depth, 1)
        sketch = require_one_of("sketch", self.sketch, SKETCHES)
        leverage = require_one_of("sampling", self.sampling, SAMPLING)
        activation_of(self.activation)
        if leverage and self.activation != "relu":
            raise NtkbenchError(
                f"sampling='leverage' is for activation='relu', but activation={self.activation!r}; use 'gaussian'."
            )
        self.layers_ = draw_layers(rng, X.shape[1], depth, sizes, sketch, leverage)
        self._n_features_out = sum(sizes[1:])

    def _map(self, dtype):
        return partial(features, layers=in_dtype(self.layers_, dtype), activation=activation_of(self.activation))


def sizes_of(count):
    """Return the numbers of slopes, units and sketched features of a map with `count` features."""
    sketched = max(2 * (count // 4), 2)
    relus = max(count - sketched, 1)
    return relus, relus, sketched
