"""Check functions of the suite transient: the first phase of training against width and parameterisation.

One hidden layer of ReLU units without biases on the task `parity` with 500 train samples: SGD with momentum 0.9 and
minibatches of 25 on the square loss, 20 epochs at a constant learning rate of 1/16 of the critical step of 50 samples.
Linearised networks take as many steps at the same rate. Settings were chosen, and thresholds set, on the seeds 1000 to
1002, which are not among those that are judged.
"""

import functools
from pathlib import Path

import numpy as np

import ntkbench as nb

from .basin import linearized
from .kernels import gram, velocity
from .parity import load_task
from .track import assigned

WIDTHS = (64, 256, 1024, 4096)
PARAMETERIZATIONS = ("ntk", "standard", "mup")
OPTIONS = {"momentum": 0.9, "batch_size": 25}
SHARE = 1 / 16  # of the critical step
EPOCHS, EARLY, DT = 20, 3, 0.4
LATE = (10, 12, 14, 16, 18)  # epochs
PROBES, SEEDS = 48, 10


def transient_file():
    """Return the path of the suite file transient.toml."""
    return Path(__file__).parent / "transient.toml"


@functools.cache
def experiment(seed, parameterization, width):
    """Train one network, and the network linearised at epochs 0 and 3.

    Returns:
        A dictionary: "distance" is S from start to end, "ratio" the kernel velocity in the first 0.4 epochs over its
        mean at epochs 10 to 18; "net", "linear" and "linear early" are test errors at the end, and "train" is the train
        error.
    """
    task = load_task(form="vector", seed=seed)
    (x, labels), (x_test, labels_test) = ((x.astype(np.float32), y) for x, y in (task.train, task.test))
    model = network(width, parameterization, seed, x.shape[1])
    rate = SHARE * nb.training.critical_step(model, x[:50])
    options = OPTIONS | {"learning_rate": rate, "order_seed": seed}
    trainer = nb.training.Trainer(model, x, task.targets(labels), **options)
    start, per_epoch = trainer.start(), trainer.steps_per_epoch
    states = {0: start}

    def at(epoch):
        if epoch not in states:
            before = states[max(each for each in states if each < epoch)]
            states[epoch] = trainer.advance(before, round(epoch * per_epoch) - before.step)
        return states[epoch]

    def kernel(epoch):
        with assigned(trainer, at(epoch)):
            return gram(model, x[:PROBES])

    def moves(epoch):
        return velocity(kernel(epoch), kernel(epoch + DT), DT)

    def error(outputs, of):
        return float(np.mean(outputs.argmax(1) != of))

    found = {"ratio": moves(0) / np.mean([moves(epoch) for epoch in LATE])}
    found["distance"] = nb.kernel_distance(kernel(0), kernel(EPOCHS))
    found["net"] = error(trainer.outputs(at(EPOCHS), x_test), labels_test)
    found["train"] = error(trainer.outputs(at(EPOCHS)), labels)
    for name, epoch in (("linear", 0), ("linear early", EARLY)):
        steps = round(EPOCHS * per_epoch)
        linear, end = linearized(model, x, task.targets(labels), at(epoch), steps, **options)
        found[name] = error(linear.outputs(end, x_test), labels_test)
    return found


def network(width, parameterization, seed, inputs):
    """Return the network of the suite: [N, inputs] → [N, 2]."""
    import keras

    options, std = {}, 1.0
    if parameterization == "standard":
        options = {"parameterization": "standard"}
    if parameterization == "mup":
        options, std = {"multiplier": np.sqrt(width)}, 1 / np.sqrt(width)
    hidden = nb.layers.Dense(width, "relu", seed=2 * seed, **options)
    return keras.Sequential([keras.Input((inputs,)), hidden, nb.layers.Dense(2, weight_std=std, seed=2 * seed + 1, **options)])


def _by_width(key, parameterization):
    def check(seed):
        return {width: experiment(seed, parameterization, width)[key] for width in WIDTHS}

    return check


distance_ntk, distance_standard, distance_mup = (_by_width("distance", each) for each in PARAMETERIZATIONS)
ratio_ntk, ratio_standard, ratio_mup = (_by_width("ratio", each) for each in PARAMETERIZATIONS)
