"""Cost of the recurrent kernel against N, T and L, and against its pair-by-pair reference.

Run it where ntkbench-recurrent is installed: python benchmarks/recurrent.py
"""

from __future__ import annotations

import time

import numpy as np

from ntkbench_recurrent import reference, rntk

CHANNELS = 12


def sequences(n: int, shortest: int, longest: int, channels: int = CHANNELS) -> dict[str, np.ndarray]:
    """Return random ragged sequences, like JapaneseVowels by default: [n, longest, channels] in float32."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(shortest, longest + 1, size=n)
    values = rng.standard_normal((n, longest, channels)).astype(np.float32)
    return {"values": values, "mask": np.arange(longest) < lengths[:, None]}


def seconds(function, repeats: int = 3) -> tuple[float, float]:
    """Return processor seconds of the first call, which compiles, and the least of the others."""
    found = []
    for _ in range(1 + repeats):
        start = time.process_time()
        function()
        found.append(time.process_time() - start)
    return found[0], min(found[1:])


def main() -> None:
    """Print the table."""
    print("        N     T   L  pooling   first call   then [processor s]")
    cases = [
        (640, 29, 1, "none"), (640, 29, 2, "none"), (640, 29, 3, "none"), (640, 29, 1, "untied"),
        (320, 29, 1, "none"), (1280, 29, 1, "none"), (640, 58, 1, "none"), (640, 116, 1, "none"),
        (160, 29, 1, "tied"), (2000, 100, 1, "none"),
    ]  # fmt: skip
    for n, steps, depth, pooling in cases:
        x = sequences(n, steps // 4, steps, CHANNELS if steps < 100 else 1)
        kernel = rntk(depth=depth, pooling=pooling, bias_std=0.1)
        first, later = seconds(lambda k=kernel, x=x: k.matrix(x), 1 if n > 1500 else 3)
        print(f"{n:9d} {steps:5d} {depth:3d}  {pooling:8s} {first:10.2f}   {later:8.3f}")
    few = sequences(6, 7, 29)
    rows = [v[m].astype(np.float64) for v, m in zip(few["values"], few["mask"], strict=True)]
    start = time.process_time()
    reference.matrix(rows, bias_std=0.1)
    of_a_pair = (time.process_time() - start) / 36
    kernel, x = rntk(bias_std=0.1), sequences(640, 7, 29)
    later = seconds(lambda: kernel.matrix(x))[1]
    print(
        f"reference: {of_a_pair:.3g} s per pair; the compiled kernel is {of_a_pair * 640**2 / 2 / later:,.0f} × as fast"
    )


if __name__ == "__main__":
    main()
