"""`python -m ntkbench_spectrum MODEL.keras -o density.png`: the picture of a saved model's Hessian."""

import argparse
import os
import sys

parser = argparse.ArgumentParser(prog="python -m ntkbench_spectrum", description=__doc__)
parser.add_argument("model", help="a model that was saved by model.save('NAME.keras')")
parser.add_argument("-o", "--output", default="density.png", help="the picture, .png or .svg (default: %(default)s)")
parser.add_argument("--steps", type=int, default=24, help="Lanczos steps for each vector (default: %(default)s)")
parser.add_argument("--vectors", type=int, default=3, help="random vectors (default: %(default)s)")


def main(words=None):
    """Draw the picture at one random input, and return the exit code."""
    given = parser.parse_args(words)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import numpy as np

    import ntkbench.layers  # noqa: F401, so that Keras knows them in a saved model
    from ntkbench_spectrum import density

    try:
        model = keras.models.load_model(given.model, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever a damaged or foreign file makes it raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        print(f"Error: {given.model} could not be loaded: {reason}", file=sys.stderr)
        return 2
    x = np.random.default_rng(0).standard_normal((1, *(size or 8 for size in model.input_shape[1:])))
    found = density(model, x, steps=given.steps, vectors=given.vectors)
    found.plot(given.output, title=f"{os.path.basename(given.model)}, {found.size:,} weights, one random input")
    print(given.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
