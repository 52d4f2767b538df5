"""Base class of layers in the infinite-width limit, which map features to features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from .features import Features, Joined, NoLimit


class Layer(ABC):
    """A map from features to features.

    Attributes:
        unitwise: Whether the layer acts on each unit separately, so that concatenated features stay concatenated.
        wants_full: Whether the layer needs covariances between positions; None if that depends on the layer that reads
            it.
        affine: Whether the layer has new random weights.
        windowed: Whether the layer sums over windows of positions.
    """

    unitwise = False
    wants_full: bool | None = None
    affine = False
    windowed = False

    @abstractmethod
    def __call__(self, *features: Features) -> Features | Joined:
        """Return the features after the layer."""

    def refined(self) -> Layer:
        """Return the layer with a more accurate quadrature, or itself if it uses none."""
        return self

    @property
    def parameters(self) -> tuple[Any, ...]:
        """Numbers, tensors or variables that the layer was constructed with."""
        return ()


def require_plain(features: Features, who: str) -> None:
    """Raise NoLimit for flattened features, which only an affine layer can read."""
    if features.flattened:
        raise NoLimit(f"{who} follows a flattening of positions; insert a dense layer in between.")


def require_gaussian(features: Features, who: str) -> None:
    """Raise NoLimit unless the units of the features are independent Gaussians."""
    require_plain(features, who)
    if not features.gaussian:
        raise NoLimit(
            f"{who} acts on features that are not Gaussian in the limit (inputs or the output of an activation); "
            "insert a dense layer or a convolution before it."
        )
