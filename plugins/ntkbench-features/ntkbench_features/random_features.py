"""Random features of the ReLU tangent kernel, as a transformer."""

from functools import partial

from .relu import draw_layers, features
from .sketches import TensorCountSketch, TensorSRHT, in_dtype
from .transformer import Features, require_one_of, require_whole

SKETCHES = {"srht": TensorSRHT, "count": TensorCountSketch}
SAMPLING = {"gaussian": False, "leverage": True}


class NTKRandomFeatures(Features):
    """Random features of the tangent kernel |x||x'| Θ_L of a ReLU network: step and ReLU features, and sketches.

    Half of the features (of every layer) are ReLU features, which stand for the last layer's weights. The others sketch
    the product of the tangent features of the layers below with step features, which stand for the slopes. The error of
    the kernel falls like n_components^(−1/2).

    Args:
        n_components: Number of features. At least 3 are drawn: one ReLU feature, and real and imaginary part of a
            sketch.
        depth: Number of hidden layers L.
        sketch: "srht" (TensorSRHT) or "count" (count sketches and circular convolution).
        sampling: Distribution of the weights of the ReLU features: "gaussian", or "leverage" for their leverage scores.
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
        sketch="srht",
        sampling="gaussian",
        random_state=None,
        batch_size=1024,
        progress=None,
    ):
        self.n_components = n_components
        self.depth = depth
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
        self.layers_ = draw_layers(rng, X.shape[1], depth, sizes, sketch, leverage)
        self._n_features_out = sum(sizes[1:])

    def _map(self, dtype):
        return partial(features, layers=in_dtype(self.layers_, dtype))


def sizes_of(count):
    """Return the numbers of step features, ReLU features and sketched features of a map with `count` features."""
    sketched = max(2 * (count // 4), 2)
    relus = max(count - sketched, 1)
    return relus, relus, sketched
