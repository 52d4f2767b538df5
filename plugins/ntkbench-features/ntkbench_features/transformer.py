"""Base class of the transformers: scikit-learn's conventions, batches and progress."""

from abc import abstractmethod

import numpy as np
import scipy.sparse
import tensorflow as tf
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ntkbench import NtkbenchError

DTYPES = (np.float64, np.float32)


class Features(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A transformer whose features have inner products that equal or approximate a kernel.

    Inputs [N, d] are arrays or sparse matrices in float32 or float64; other types become float64. Features have the
    precision of the inputs unless a class says otherwise. Sparse inputs are expanded one batch at a time. The features
    of a Dask array are a Dask array, computed block by block.
    """

    def fit(self, X, y=None):
        """Draw or choose the map.

        Args:
            X: Inputs [N, d].
            y: Ignored.

        Returns:
            The transformer.

        Raises:
            NtkbenchError: A parameter is invalid.
        """
        if is_dask(X):
            validate_data(self, dense(X[:1]), dtype=DTYPES)
        else:
            X = validate_data(self, X, accept_sparse="csr", dtype=DTYPES)
        require_whole("batch_size", self.batch_size, 1)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        self._fit(X, np.random.default_rng(seed))
        return self

    def transform(self, X):
        """Return the features of inputs: [N, d] → [N, m].

        Args:
            X: Inputs [N, d].
        """
        check_is_fitted(self)
        if is_dask(X):
            dtype = self._dtype(X.dtype if X.dtype in DTYPES else np.dtype(np.float64))
            X, chunks = X.rechunk({1: -1}), (X.chunks[0], (self._n_features_out,))
            return X.map_blocks(self.transform, chunks=chunks, dtype=dtype, meta=np.empty((0, 0), dtype))
        X = validate_data(self, X, accept_sparse="csr", dtype=DTYPES, reset=False)
        dtype = self._dtype(X.dtype)
        of_batch = self._map(tf.as_dtype(dtype))
        found = np.empty((X.shape[0], self._n_features_out), dtype)
        for start in range(0, len(found), self.batch_size):
            part = slice(start, start + self.batch_size)
            found[part] = of_batch(tf.convert_to_tensor(dense(X[part])))
            if self.progress is not None:
                self.progress(min(start + self.batch_size, len(found)) / len(found))
        return found

    @abstractmethod
    def _fit(self, X, rng):
        """Set `_n_features_out` and fitted attributes, for checked inputs [N, d]."""

    @abstractmethod
    def _map(self, dtype):
        """Return the map of a batch of inputs to features in a dtype: tensor [B, d] → [B, m]."""

    def _dtype(self, inputs):
        """Return the features' dtype for that of the inputs, float32 or float64."""
        return inputs

    def __sklearn_tags__(self):
        """Return scikit-learn's tags of the transformer."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def require_whole(name, value, minimum):
    """Return a parameter as an integer; raise NtkbenchError unless it is one and at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < minimum:
        raise NtkbenchError(f"{name}={value!r} is invalid; pass an integer of at least {minimum}.")
    return int(value)


def dense(X):
    """Return checked inputs, dense or sparse or of Dask, as an array."""
    if is_dask(X):
        return X.compute()
    return X.toarray() if scipy.sparse.issparse(X) else X


def is_dask(X):
    """Return whether X is a Dask array, without importing Dask."""
    return hasattr(X, "map_blocks") and hasattr(X, "chunks")


def blocks_of_rows(X, y):
    """Yield X and y block by block as arrays if X is a Dask array, otherwise as they are.

    Raises:
        NtkbenchError: The number of rows of a Dask array is unknown, or differs from that of y.
    """
    if not is_dask(X):
        yield X, y
        return
    if np.isnan(X.shape[0]):
        raise NtkbenchError(
            "The Dask array has an unknown number of rows; call its method compute_chunk_sizes() first."
        )
    if len(y) != len(X):
        raise NtkbenchError(f"There are {len(X)} samples and {len(y)} targets; pass one target for each sample.")
    ends = np.cumsum(X.chunks[0])
    for start, end in zip(ends - X.chunks[0], ends, strict=True):
        yield dense(X[start:end]), dense(y[start:end])


def shape_of_input(input_shape, d):
    """Return the parameter input_shape, (d,) for None; raise NtkbenchError unless it holds d entries."""
    if input_shape is None:
        return (d,)
    sizes = np.asarray(input_shape)
    if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or (sizes < 1).any():
        raise NtkbenchError(f"input_shape={input_shape!r} is invalid; pass positive integers, such as (8, 8, 1).")
    if np.prod(sizes) != d:
        raise NtkbenchError(
            f"input_shape={input_shape!r} does not hold the {d} entries of an input; their product must be equal."
        )
    return tuple(sizes.tolist())


def require_one_of(name, value, known):
    """Return known[value]; raise NtkbenchError if there is none."""
    if not isinstance(value, str) or value not in known:
        raise NtkbenchError(f"{name}={value!r} is invalid; pass one of {', '.join(map(repr, known))}.")
    return known[value]
