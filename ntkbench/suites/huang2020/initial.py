"""The initial weights that the suite compares."""

INITS = ("gaussian", "orthogonal")
