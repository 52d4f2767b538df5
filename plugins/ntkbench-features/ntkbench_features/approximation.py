"""How well one kernel matrix approximates another: errors, and the statistical dimension, at a ridge."""

import numpy as np
import scipy.linalg

import ntkbench as nb
from ntkbench.nests import map_leaves

RIDGE = 0.1  # of the measurements, in units of the mean of the exact kernel's diagonal


def frobenius_error(approximate, exact):
    """Return ‖A − K‖_F / ‖K‖_F of two matrices [N, N], infinity if only K is zero."""
    return nb.relative_change(approximate, exact)


def spectral_error(approximate, exact, ridge):
    """Return the smallest ε with (1 − ε)(K + λI) ⪯ A + λI ⪯ (1 + ε)(K + λI).

    Kernel ridge regression with A at the ridge λ is then close to that with K (Avron et al. 2017, arXiv 1702.00063).

    Args:
        approximate: The matrix A [N, N], symmetric.
        exact: The matrix K [N, N], positive semidefinite.
        ridge: The ridge λ > 0.

    Raises:
        NtkbenchError: K + λI is singular up to rounding, the ridge is not finite, or a matrix is not finite and square.
    """
    approximate, exact = _square(approximate), _square(exact)
    if approximate.shape != exact.shape:
        raise nb.NtkbenchError(f"The kernels have shapes {approximate.shape} and {exact.shape}; they must be equal.")
    if not np.isfinite(ridge):
        raise nb.NtkbenchError(f"ridge={ridge!r} is invalid; pass a finite number.")
    shift = ridge * np.eye(len(exact))
    try:
        values = scipy.linalg.eigh(approximate - exact, exact + shift, eigvals_only=True)
    except np.linalg.LinAlgError as error:
        raise nb.NtkbenchError(
            f"K + λI is not positive definite at the ridge λ = {ridge:g}, where no ε exists. Use a larger ridge."
        ) from error
    return float(np.abs(values).max())


def statistical_dimension(kernel, ridge):
    """Return tr(K (K + λI)⁻¹), the effective number of degrees of freedom of ridge regression: [N, N] → 0 … N.

    Eigenvalues of the size of K's rounding errors count as 0, so that the dimension falls to K's rank as λ falls to 0.

    Args:
        kernel: The matrix K [N, N], positive semidefinite, in float32 or float64.
        ridge: The ridge λ, at least 0.

    Raises:
        NtkbenchError: The ridge is negative or not a finite number, or K is not a finite square matrix.
    """
    if not 0 <= ridge < np.inf:
        raise nb.NtkbenchError(f"ridge={ridge!r} is invalid; pass a number of at least 0.")
    kernel = _square(kernel)
    rounding = len(kernel) * np.finfo(kernel.dtype if kernel.dtype == np.float32 else np.float64).eps
    values = np.linalg.eigvalsh(kernel.astype(np.float64))
    values = values[values > rounding * values.max(initial=0.0)]
    return float(np.sum(values / (values + ridge)))


def measure_error(ctx):
    """Return spectral_error of the tangent kernel K(w0) from its limit K∞, at a tenth of the mean of K∞'s diagonal.

    Raises:
        Unsupported: If there is no limit or none is known.
    """
    x = map_leaves(lambda part: part.numpy().astype(np.float64) if part.dtype.is_floating else part.numpy(), ctx.x)
    limit = ctx.limit.matrix(x, x).numpy()
    error = spectral_error(_symmetric(ctx.kernel), limit, RIDGE * np.mean(np.diag(limit)))
    return {"spectral_error": nb.Value(error, precision=ctx.precision)}


def measure_dimension(ctx):
    """Return statistical_dimension of the tangent kernel at the probes, at a tenth of the mean of its diagonal."""
    kernel = _symmetric(ctx.kernel)
    return {"statistical_dimension": statistical_dimension(kernel, RIDGE * np.mean(np.diag(kernel)))}


def _square(kernel):
    kernel = np.asarray(kernel)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1]:
        raise nb.NtkbenchError(f"A kernel has shape {list(kernel.shape)}; pass a square matrix.")
    if not np.isfinite(kernel).all():
        raise nb.NtkbenchError("A kernel contains NaN or infinity; every entry must be finite.")
    return kernel


def _symmetric(kernel):
    kernel = np.asarray(kernel, np.float64)
    return (kernel + kernel.T) / 2
