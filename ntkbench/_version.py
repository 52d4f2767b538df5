"""The version of ntkbench."""

__version__ = "0.1.0"
