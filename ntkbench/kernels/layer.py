"""What a layer of the infinite-width limit is: a map of features to features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from .features import Features, Joined, NoLimit


class Layer(ABC):
    """A map of features to features.

    unitwise: whether it does to each unit what it would do to that unit alone, so that features side by side stay so.
    affine: whether it draws new weights.   windowed: whether it sums over windows of positions.
    wants_full: whether it needs covariances between positions; None where it needs what its own reader needs.
    """

    unitwise = False
    wants_full: bool | None = None
    affine = False
    windowed = False

    @abstractmethod
    def __call__(self, *features: Features) -> Features | Joined:
        """Return the features behind the layer."""

    def refined(self) -> Layer:
        """Return the layer with twice the accuracy of its quadrature, itself where it has none."""
        return self

    @property
    def parameters(self) -> tuple[Any, ...]:
        """The numbers, tensors or variables that the layer was given."""
        return ()


def require_plain(features: Features, who: str) -> None:
    """Raise NoLimit for flattened features, of which only an affine layer can make use."""
    if features.flattened:
        raise NoLimit(f"{who} stands behind a flattening of positions; put a dense layer in between.")


def require_gaussian(features: Features, who: str) -> None:
    """Raise NoLimit for features whose units are not independent Gaussians."""
    require_plain(features, who)
    if not features.gaussian:
        raise NoLimit(
            f"{who} acts on features that are not Gaussian in the limit (inputs, or what an activation made); put a "
            "dense layer or a convolution before it."
        )
