"""Pairs of digits."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import ntkbench as nb


def pairs(images, labels, n, rng):
    """Return n pairs in the form "pair", and whether both show the same digit; every second pair does."""
    first = rng.integers(0, len(images), n)
    same = np.arange(n) % 2 == 0
    second = [rng.choice(np.flatnonzero((labels == labels[i]) == s)) for i, s in zip(first, same, strict=True)]
    return {"first": images[first], "second": images[second]}, same


def digits():
    """Return images [1797, 64], each of mean square 1, and their labels."""
    images, labels = load_digits(return_X_y=True)
    return images / np.sqrt(np.mean(images**2, axis=1, keepdims=True)), labels


def load(*, form, n, seed):
    """Return n pairs, and 1 where both show the same digit, -1 elsewhere."""
    x, same = pairs(*digits(), n, np.random.default_rng(seed))
    return x, np.where(same, 1.0, -1.0)


def load_task(*, form, seed, fold):
    """Return 200 pairs to train on and 100 pairs of other images to test."""
    images, labels = digits()
    split = train_test_split(images, labels, test_size=0.3, random_state=seed % 2**32, stratify=labels)
    rng = np.random.default_rng(seed)
    x_train, y_train = pairs(split[0], split[2], 200, rng)
    x_test, y_test = pairs(split[1], split[3], 100, rng)
    return nb.Task(
        train=(x_train, y_train.astype(int)),
        test=(x_test, y_test.astype(int)),
        kind="classification",
        classes=2,
        source="scikit-learn digits, paired",
    )
