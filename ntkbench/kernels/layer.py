"""Base class of layers in the infinite-width limit, which map features to features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

from .features import Features, Joined, NoLimit

Pairing = Literal["first", "last", "full"]
"""Which pairs of positions a layer reads: equal positions counted from the first step or from the last, or all pairs.
For inputs of equal length the first two are the same."""


class Layer(ABC):
    """A map from features to features.

    Attributes:
        unitwise: Whether the layer acts on each unit separately, so that concatenated features stay concatenated.
        reads: Which pairs of positions the layer reads; None if that depends on the layer that reads it.
        affine: Whether the layer has new random weights.
        windowed: Whether the layer sums over windows of positions.
    """

    unitwise = False
    reads: Pairing | None = None
    affine = False
    windowed = False

    @abstractmethod
    def __call__(self, *features: Features) -> Features | Joined:
        """Return the features after the layer."""

    @property
    def compares_inputs(self) -> bool:
        """Whether the layer needs to know which pairs are pairs of the same input."""
        return False

    def pairing(self, later: Pairing) -> Pairing:
        """Return which pairs the layer reads if the layer that reads it asks for `later`."""
        return self.reads or later

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


def require_unmasked(features: Features, who: str) -> None:
    """Raise NoLimit for sequences with a mask, which a layer over neighbouring positions would ignore."""
    if features.mask1 is not None:
        raise NoLimit(f"{who} mixes positions of a sequence that has a mask; apply it to sequences of equal length.")


def gains_unknown(features: Features, who: str, homogeneous: bool = False) -> str:
    """Return why the tangent kernel behind an activation is not known, "" if it is; see `Features.gains`."""
    if features.gains == 0 or (features.gains is not None and homogeneous):
        return ""
    return (
        f"{who} acts on units with trained factors (γ of a normalisation), for which its tangent kernel is not known. "
        "Insert a dense layer before it, or normalise without trained γ (scale=False)."
    )


def require_gaussian(features: Features, who: str) -> None:
    """Raise NoLimit unless the units of the features are independent Gaussians."""
    require_plain(features, who)
    if not features.gaussian:
        raise NoLimit(
            f"{who} acts on features that are not Gaussian in the limit (inputs or the output of an activation); "
            "insert a dense layer or a convolution before it."
        )
