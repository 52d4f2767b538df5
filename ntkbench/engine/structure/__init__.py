"""Structure of a model: which weights enter through products, their rows and cotangents, and their sizes."""

from .contraction import contraction, products_of_rows, share
from .factors import UNROLLED, Factor, factors, factors_of_outputs
from .neurons import neuron_influence
from .sizes import ModelSizes, made, model_sizes, numbers
from .structure import Structure, structure_of
from .taps import Tapped, run_tapped

__all__ = [
    "UNROLLED",
    "Factor",
    "ModelSizes",
    "Structure",
    "Tapped",
    "contraction",
    "factors",
    "factors_of_outputs",
    "made",
    "model_sizes",
    "neuron_influence",
    "numbers",
    "products_of_rows",
    "run_tapped",
    "share",
    "structure_of",
]
