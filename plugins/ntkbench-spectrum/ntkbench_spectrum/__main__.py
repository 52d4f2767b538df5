"""Plot the Hessian's spectral density of a saved Keras model at one random input."""

import argparse
import os
import sys

parser = argparse.ArgumentParser(prog="python -m ntkbench_spectrum", description=__doc__)
parser.add_argument("model", help="saved model, a .keras file")
parser.add_argument("-o", "--output", default="density.png", help="output file, .png or .svg [default: %(default)s]")
parser.add_argument("--steps", type=int, default=24, help="number of Lanczos steps per vector [default: %(default)s]")
parser.add_argument("--vectors", type=int, default=3, help="number of random vectors [default: %(default)s]")


def main(words=None):
    """Write the plot and return the exit code. words: command-line arguments, for tests."""
    given = parser.parse_args(words)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import numpy as np

    import ntkbench.layers  # noqa: F401, registers the layers with Keras, for saved models that use them
    from ntkbench_spectrum import density

    try:
        model = keras.models.load_model(given.model, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises exceptions of many types for damaged or foreign files
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
