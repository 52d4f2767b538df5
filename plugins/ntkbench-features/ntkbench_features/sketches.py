"""Sketches: random linear maps whose inner products are unbiased estimates of those of what they map.

A sketch is a named tuple of arrays, so that TensorFlow takes it as an argument. `draw(rng, …)` draws it, with arrays in
NumPy's own types; `in_dtype` converts it to the precision of the inputs. A degree-2 sketch is called with x [N, d1] and
y [N, d2] and returns features z with E⟨z, z'⟩ = ⟨x, x'⟩⟨y, y'⟩, the inner product of the outer products x ⊗ y.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

COMPLEX = {tf.float32: tf.complex64, tf.float64: tf.complex128}


def in_dtype(sketch, dtype):
    """Return a nest of arrays as tensors, floating-point ones in a dtype and integers unchanged."""

    def tensor(array):
        found = tf.convert_to_tensor(array)
        return tf.cast(found, dtype) if found.dtype.is_floating else found

    return tf.nest.map_structure(tensor, sketch)


def real(z):
    """Return complex features [..., k] as real ones [..., 2k] with inner products Re⟨z, z'⟩."""
    return tf.concat([tf.math.real(z), tf.math.imag(z)], -1)


def signs(rng, size):
    """Return independent random signs [size], float64."""
    return rng.choice([-1.0, 1.0], size)


class SRHT(NamedTuple):
    """Subsampled randomised Fourier transform: z = (F s∘x)[rows] / √k, with E⟨z, z'⟩ = ⟨x, x'⟩.

    The discrete Fourier transform takes the place of Hadamard's, so that no size need be a power of two. Inputs may be
    real or complex.

    Attributes:
        signs: Random signs [d].
        rows: Sampled frequencies [k], with replacement.

    Source: Ailon, Chazelle 2006; Tropp 2011 (arXiv 1011.1595).
    """

    signs: Any
    rows: Any

    @classmethod
    def draw(cls, rng, d, size):
        """Draw a sketch of vectors [d] with `size` complex features."""
        return cls(signs(rng, d), rng.integers(d, size=size))

    def frequencies(self, x):
        """Return the sampled Fourier coefficients before scaling: [..., d] → complex [..., k]."""
        kind = COMPLEX[self.signs.dtype]
        return tf.gather(tf.signal.fft(tf.cast(x, kind) * tf.cast(self.signs, kind)), self.rows, axis=-1)

    def __call__(self, x):
        """Return the complex features of x: [..., d] → [..., k]."""
        z = self.frequencies(x)
        return z / tf.cast(self.rows.shape[0] ** 0.5, z.dtype)


class TensorSRHT(NamedTuple):
    """Degree-2 sketch by products of sampled Fourier coefficients: z = (F s1∘x)[rows1] ∘ (F s2∘y)[rows2] / √k.

    Attributes:
        first: Sampled transform of x.
        second: Sampled transform of y.

    Source: Ahle et al. 2020 (arXiv 1909.01410), with the Fourier transform of Zandieh et al. 2021 (arXiv 2106.07880).
    """

    first: SRHT
    second: SRHT

    @classmethod
    def draw(cls, rng, d1, d2, size):
        """Draw a sketch of pairs of vectors [d1] and [d2] with `size` real features, an even number."""
        return cls(SRHT.draw(rng, d1, size // 2), SRHT.draw(rng, d2, size // 2))

    def product(self, first, second):
        """Return the complex features from the sampled coefficients of both factors: [..., k]."""
        return first * second / tf.cast(self.first.rows.shape[0] ** 0.5, first.dtype)

    def __call__(self, x, y):
        """Return the features of x ⊗ y: [N, d1], [N, d2] → [N, 2k]."""
        return real(self.product(self.first.frequencies(x), self.second.frequencies(y)))


class CountSketch(NamedTuple):
    """Sum of the entries of x in random buckets with random signs: E⟨z, z'⟩ = ⟨x, x'⟩.

    Attributes:
        signs: Random signs [d].
        buckets: Bucket of each entry [d].
        size: Number of buckets, a scalar array.

    Source: Charikar, Chen, Farach-Colton 2002; Clarkson, Woodruff 2013 (arXiv 1207.6365).
    """

    signs: Any
    buckets: Any
    size: Any

    @classmethod
    def draw(cls, rng, d, size):
        """Draw a sketch of vectors [d] with `size` features."""
        return cls(signs(rng, d), rng.integers(size, size=d), np.int64(size))

    def __call__(self, x):
        """Return the features of x: [N, d] → [N, size]."""
        return tf.transpose(tf.math.unsorted_segment_sum(tf.transpose(x * self.signs), self.buckets, self.size))


class TensorCountSketch(NamedTuple):
    """Degree-2 sketch by circular convolution of two count sketches.

    Attributes:
        first: Sketch of x.
        second: Sketch of y.

    Source: Pham, Pagh 2013, "Fast and scalable polynomial kernels via explicit feature maps".
    """

    first: CountSketch
    second: CountSketch

    @classmethod
    def draw(cls, rng, d1, d2, size):
        """Draw a sketch of pairs of vectors [d1] and [d2] with `size` features."""
        return cls(CountSketch.draw(rng, d1, size), CountSketch.draw(rng, d2, size))

    def __call__(self, x, y):
        """Return the features of x ⊗ y: [N, d1], [N, d2] → [N, size]."""
        size = tf.cast(self.first.size, tf.int32)[None]
        return tf.signal.irfft(tf.signal.rfft(self.first(x)) * tf.signal.rfft(self.second(y)), size)


class Outer(NamedTuple):
    """The outer product itself: the degree-2 sketch without error, with d1 · d2 features."""

    @classmethod
    def draw(cls, rng, d1, d2, size):
        """Return the map; it draws nothing and has d1 · d2 features, whatever `size`."""
        return cls()

    def __call__(self, x, y):
        """Return x ⊗ y: [N, d1], [N, d2] → [N, d1 · d2]."""
        return tf.reshape(x[:, :, None] * y[:, None, :], [-1, x.shape[1] * y.shape[1]])


class PolySketch(NamedTuple):
    """Binary tree of TensorSRHTs: sketches of x^⊗i ⊗ e^⊗(q−i) for all i = 0 … q, where e is the first unit vector.

    They satisfy E⟨z_i, z_i'⟩ = ⟨x, x'⟩^i.

    Attributes:
        left: Tree of the first ⌈q/2⌉ factors; an empty tuple for a single factor.
        right: Tree of the other factors.
        join: Sketch of pairs of their features.

    Source: Ahle et al. 2020 (arXiv 1909.01410); Zandieh et al. 2021 (arXiv 2106.07880), section 3.
    """

    left: Any
    right: Any
    join: TensorSRHT

    @classmethod
    def draw(cls, rng, d, degree, size):
        """Draw a tree of a degree for vectors [d], with `size` complex features in every inner node."""
        if degree == 1:
            return ()
        halves = (degree + 1) // 2, degree // 2
        left, right = (cls.draw(rng, d, half, size) for half in halves)
        d1, d2 = (d if half == 1 else size for half in halves)
        return cls(left, right, TensorSRHT.draw(rng, d1, d2, 2 * size))

    def powers(self, x):
        """Return the sketches of all degrees 0 … q, complex: [N, d] → q + 1 tensors [N or 1, size].

        Factors are replaced by x from the first on, so all sketches of a subtree that no replacement touches are
        computed once.
        """
        left, right = (_powers(tree, x) for tree in (self.left, self.right))
        first = [self.join.first.frequencies(each) for each in left]
        second = [self.join.second.frequencies(each) for each in right]
        pairs = [(each, second[0]) for each in first] + [(first[-1], each) for each in second[1:]]
        return [self.join.product(*pair) for pair in pairs]


def _powers(tree, x):
    """Return the sketches of all degrees of a tree; of a single factor, the unit vector and x."""
    if tree == ():
        return [tf.one_hot([0], x.shape[1], dtype=x.dtype), x]
    return tree.powers(x)
