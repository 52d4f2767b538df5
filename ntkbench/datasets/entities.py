"""Names of HTML characters as sequences of letters, from Python's standard library."""

from __future__ import annotations

import html.entities
import string
import unicodedata

import numpy as np
from sklearn.model_selection import train_test_split

from ..errors import NtkbenchError
from ..seeds import seed_for
from .probes import choose
from .task import Task

LETTERS = string.ascii_letters + string.digits
VOCABULARY = len(LETTERS) + 1  # 0 is padding
LONGEST = 12
CLASSES = ("S", "L")  # symbols and letters; all other characters are the last class
TRAIN, TEST = 1000, 400


def load(*, form: str, n: int, seed: int, segments: bool = False) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return `n` of 1,901 names such as "alpha", "Sum" and "ldquo", as tokens and a mask, and y float64 [n].

    The names are those of HTML 5 with at most 12 letters and digits. A token is the place of a letter or digit in
    a–z, A–Z, 0–9, counted from 1; padding is 0. The target y is +1 if the name stands for a symbol, such as an
    operator or an arrow (Unicode category S), and −1 for letters, punctuation and other characters.

    Source: HTML 5, section "Named character references", as in Python's `html.entities`; Unicode general categories.

    Args:
        form: Only "tokens": {"token_ids": int32 [n, 12], "padding_mask": bool [n, 12]}, the names in KerasHub.
        n: Number of names.
        seed: Seed that draws the names.
        segments: Whether to add "segment_ids", all 0, which BERT takes.

    Raises:
        NtkbenchError: For another form, or for more inputs than the dataset has.
    """
    x, kind = _all(form, segments)
    rows = choose("entities", len(kind), n, seed)
    return {name: part[rows] for name, part in x.items()}, np.where(kind[rows] == 0, 1.0, -1.0)


def load_task(*, form: str, seed: int, fold: int = 0, segments: bool = False) -> Task:
    """Return the task of telling symbols, letters and other characters apart by their names.

    1,000 names to train on and 400 to test on, drawn by class. Nothing is estimated from the data.

    Args:
        form: Only "tokens".
        seed: Seed of the split.
        fold: Number of the split for one seed.
        segments: As in `load`.
    """
    x, kind = _all(form, segments)
    parts = train_test_split(
        np.arange(len(kind)),
        train_size=TRAIN,
        test_size=TEST,
        stratify=kind,
        random_state=seed_for(seed, "entities", "split", fold) % 2**32,
    )
    train, test = (({name: part[rows] for name, part in x.items()}, kind[rows]) for rows in parts)
    source = "HTML 5 named character references and Unicode categories; stratified split drawn from the seed"
    return Task(train, test, "classification", classes=len(CLASSES) + 1, source=source)


def _all(form: str, segments: bool) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the tokens and masks of all names, and their classes [1901]."""
    if form != "tokens":
        raise NtkbenchError(f"Dataset 'entities' provides tokens only, but got form={form!r}; use 'digits'.")
    named = {name.rstrip(";"): text for name, text in sorted(html.entities.html5.items()) if name.endswith(";")}
    named = {name: text for name, text in named.items() if len(name) <= LONGEST}
    tokens = np.zeros((len(named), LONGEST), np.int32)
    for row, name in zip(tokens, named, strict=True):
        row[: len(name)] = [LETTERS.index(letter) + 1 for letter in name]
    categories = [unicodedata.category(text[0])[0] for text in named.values()]
    kind = np.array([CLASSES.index(each) if each in CLASSES else len(CLASSES) for each in categories])
    x = {"token_ids": tokens, "padding_mask": tokens > 0}
    return x | ({"segment_ids": np.zeros_like(tokens)} if segments else {}), kind
