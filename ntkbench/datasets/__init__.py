"""The built-in datasets, registered through the public plugin hook."""

from __future__ import annotations

from ..registry.hookspecs import Register, hookimpl
from .forms import ARRAYS

VOCABULARY = 63  # letters, digits and padding, as in `entities`

DIMENSION = {
    "d": {"type": "int", "default": 64, "minimum": 1, "maximum": 65536, "help": "number of entries of an input"}
}


@hookimpl
def ntkbench_register_datasets(register: Register) -> None:
    """Register the datasets of real and of random inputs."""
    register(
        "digits",
        f"{__name__}.digits:load",
        task=f"{__name__}.digits:load_task",
        summary="1,797 handwritten digits of 8×8 pixels, labelled even or odd",
        forms=(*ARRAYS, "ragged", "graph", "set"),
    )
    register(
        "entities",
        f"{__name__}.entities:load",
        task=f"{__name__}.entities:load_task",
        summary="1,901 names of HTML characters, letter by letter, labelled symbol or not",
        forms="tokens",
        vocabulary=VOCABULARY,
        params={"segments": {"type": "bool", "default": False, "help": "add segment_ids, all 0, which BERT takes"}},
    )
    register(
        "diabetes",
        f"{__name__}.diabetes:load",
        task=f"{__name__}.diabetes:load_task",
        summary="442 diabetes patients with ten features; target: progression of the disease",
        forms="vector",
    )
    register(
        "sphere",
        f"{__name__}.random_inputs:load_sphere",
        summary="uniform on the sphere of radius √d, labelled by a half-space",
        forms=ARRAYS,
        params=DIMENSION,
    )
    register(
        "gaussian",
        f"{__name__}.random_inputs:load_gaussian",
        summary="independent N(0, 1) entries, labelled by a half-space",
        forms=ARRAYS,
        params=DIMENSION,
    )
