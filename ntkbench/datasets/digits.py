"""Handwritten digits of 8×8 pixels, as bundled with scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..seeds import seed_for
from .bundled import digits
from .probes import choose, in_form, on_sphere, standardised
from .task import Task

TRAIN, TEST = 1000, 400
SIDE = 8
LITTLE = 0.75  # of the mean ink per row: rows below it are left out of ragged sequences
DARKEST = 16  # pixels in a set; every digit has at least as many with ink


def load(*, form: str, n: int, seed: int) -> tuple[Any, np.ndarray]:
    """Return `n` of the 1,797 digits: x float64 [n, 61], [n, 8, 8, 1], [n, 8, 8] or a nest, y float64 [n].

    Pixels are standardised over the whole dataset. Three pixels are constant: vectors drop them, and images and
    sequences (8 rows of 8 pixels) hold 0 there. Then every x is scaled to ‖x‖ = √d with d = 61 or 64. The target y is
    +1 for even and −1 for odd digits. Three more forms show the same digits:

    - "ragged": {"values": [n, 8, 8], "mask": [n, 8]}. The sequences without the rows that hold less than 3/4 of the
      digit's mean ink per row; 3 to 8 rows remain, in their order, in front of the padding.
    - "graph": {"nodes": [n, 16, 4], "adjacency": [n, 16, 16]}. The 4×4 patches of 2×2 pixels. Two neighbours in the
      grid share an edge if both hold ink, so that blank patches are isolated.
    - "set": [n, 16, 3]. Row, column and ink of the 16 darkest pixels, each scaled to [−1, 1].

    Source: UCI "Optical Recognition of Handwritten Digits", test part (Alpaydin, Kaynak 1998).

    Args:
        form: "vector", "image", "sequence", "ragged", "graph" or "set".
        n: Number of digits.
        seed: Seed that draws the digits.

    Raises:
        NtkbenchError: For more inputs than the dataset has.
    """
    pixels, digit = digits()
    rows = choose("digits", len(digit), n, seed)
    x = _shaped(standardised(pixels)[rows], pixels, rows, form)
    return x, np.where(digit[rows] % 2 == 0, 1.0, -1.0)


def load_task(*, form: str, seed: int, fold: int = 0) -> Task:
    """Return the task of telling the ten digits apart: 1,000 to train on and 400 to test on, drawn by class.

    Pixels are centred by their means over the train part, but not divided by their deviations, which would turn the
    almost always blank pixels at the edges into the largest ones. Forms and norms are those of `load`. The split is the
    same in every form.

    Args:
        form: One of the forms of `load`.
        seed: Seed of the split.
        fold: Number of the split for one seed.
    """
    from sklearn.model_selection import train_test_split  # slow to import

    pixels, digit = digits()
    train, test = train_test_split(
        np.arange(len(digit)),
        train_size=TRAIN,
        test_size=TEST,
        stratify=digit,
        random_state=seed_for(seed, "digits", "split", fold) % 2**32,
    )
    x = pixels - pixels[train].mean(axis=0)
    return Task(
        (_shaped(x[train], pixels, train, form), digit[train]),
        (_shaped(x[test], pixels, test, form), digit[test]),
        "classification",
        classes=10,
        source="UCI Optical Recognition of Handwritten Digits, test part; stratified split drawn from the seed",
    )


def _shaped(x: np.ndarray, pixels: np.ndarray, rows: np.ndarray, form: str) -> Any:
    """Return standardised digits in a form.

    Args:
        x: The standardised pixels of some digits: [n, 64].
        pixels: The raw pixels of all digits, from 0 (blank) to 16.
        rows: The rows of `pixels` that x is made of: [n].
        form: The form.
    """
    if form == "vector":
        return on_sphere(x[:, pixels.any(axis=0)])  # without the three pixels that are blank in every digit
    ink = pixels[rows].reshape(-1, SIDE, SIDE)
    if form == "ragged":
        return _ragged(on_sphere(x).reshape(ink.shape), ink)
    if form == "graph":
        return _graph(on_sphere(x).reshape(ink.shape), ink)
    return _darkest(ink) if form == "set" else in_form("digits", on_sphere(x), form)


def _ragged(x: np.ndarray, ink: np.ndarray) -> dict[str, np.ndarray]:
    """Return rows of pixels [n, 8, 8] without those with little ink."""
    row = ink.sum(2)
    kept = row >= LITTLE * row.mean(1, keepdims=True)
    first = np.argsort(~kept, axis=1, kind="stable")  # the rows that are kept come first, in their order
    mask = np.take_along_axis(kept, first, 1)
    return {"values": np.take_along_axis(x, first[:, :, None], 1) * mask[:, :, None], "mask": mask}


def _graph(x: np.ndarray, ink: np.ndarray) -> dict[str, np.ndarray]:
    """Return the 2×2 patches of images [n, 8, 8] as nodes, with edges between neighbours that hold ink."""
    side = SIDE // 2

    def patches(images: np.ndarray) -> np.ndarray:
        return images.reshape(-1, side, 2, side, 2).transpose(0, 1, 3, 2, 4).reshape(-1, side**2, 4)

    row, column = np.divmod(np.arange(side**2), side)
    near = abs(row[:, None] - row) + abs(column[:, None] - column) == 1
    inked = np.any(patches(ink) > 0, axis=2)
    return {"nodes": patches(x), "adjacency": (near & inked[:, :, None] & inked[:, None, :]).astype(np.float64)}


def _darkest(ink: np.ndarray) -> np.ndarray:
    """Return row, column and ink of the darkest pixels of images [n, 8, 8]: [n, 16, 3]."""
    flat = ink.reshape(len(ink), -1)
    places = np.sort(np.argsort(-flat, axis=1, kind="stable")[:, :DARKEST], axis=1)
    row, column = np.divmod(places, SIDE)
    middle = (SIDE - 1) / 2
    darkness = np.take_along_axis(flat, places, 1) / 8 - 1
    return np.stack([row / middle - 1, column / middle - 1, darkness], 2)
