"""Executors: ways to measure groups of cells. Each yields results as soon as they are available."""
