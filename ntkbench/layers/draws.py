"""Draw initial weights: float64 NumPy arrays with mean squared entry 1."""

from __future__ import annotations

import math

import numpy as np

from ..errors import NtkbenchError, did_you_mean

INITS = ("gaussian", "orthogonal", "delta-orthogonal")


def gaussian(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return independent N(0, 1) entries of the given shape, float64."""
    return rng.standard_normal(shape)


def semi_orthogonal(rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """Return a Haar-distributed semi-orthogonal matrix times √max(rows, columns): [rows, columns], float64.

    The factor makes the mean squared entry exactly 1, so orthogonal and Gaussian layers have the same infinite-width
    limit. The Haar measure comes from the QR decomposition of a Gaussian matrix, with the signs of diag(R) moved into
    Q.

    Source: Huang, Du, Xu 2021 (arXiv 2004.05867); Mezzadri 2007 (arXiv math-ph/0609050) for the signs.
    """
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return math.sqrt(len(q)) * (q if rows >= columns else q.T)


def orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return an independent scaled semi-orthogonal matrix for every leading index (tap): [..., a, b]."""
    *taps, rows, columns = shape
    matrices = [semi_orthogonal(rows, columns, rng) for _ in range(math.prod(taps))]
    return np.reshape(matrices, shape)


def delta_orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return a kernel [kh, kw, a, b] that is zero except for a semi-orthogonal matrix at the centre tap.

    The centre is multiplied by √(kh·kw), so that the mean squared entry of the whole kernel is 1 and the layer
    preserves the norm of its input. The limit differs from that of a Gaussian kernel: it does not average over
    neighbours.

    Source: Xiao et al. 2018 (arXiv 1806.05393), algorithm 1.
    """
    kernel = np.zeros(shape)
    height, width, rows, columns = shape
    centre = (height - 1) // 2, (width - 1) // 2
    kernel[centre] = math.sqrt(height * width) * semi_orthogonal(rows, columns, rng)
    return kernel


_DRAWS = dict(zip(INITS, (gaussian, orthogonal, delta_orthogonal), strict=True))


def draw(init: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return random weights of one kernel: float64, with mean squared entry 1 (in expectation for "gaussian").

    Args:
        init: "gaussian", "orthogonal" or, for convolutions, "delta-orthogonal".
        shape: Shape of the kernel.
        seed: Seed of the draw.

    Raises:
        NtkbenchError: For an unknown initialisation, or one that does not fit the shape.
    """
    if init not in INITS:
        raise NtkbenchError(f"Unknown initialisation {init!r}. {did_you_mean(str(init), INITS)}")
    if init == "delta-orthogonal" and len(shape) != 4:
        raise NtkbenchError(
            f"Initialisation 'delta-orthogonal' is for convolutions, but the kernel has shape {tuple(shape)}; "
            "use 'orthogonal'."
        )
    return _DRAWS[init](tuple(shape), np.random.default_rng(seed))
