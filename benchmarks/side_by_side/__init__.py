"""Shared parts of the benchmarks: cases, competitors that take turns, the machine, and results as JSON."""
