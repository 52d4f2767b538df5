"""What the benchmarks share: cases, competitors that take turns, the machine, and results as JSON."""
