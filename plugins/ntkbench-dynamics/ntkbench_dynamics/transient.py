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
    readout = nb.layers.Dense(2, weight_std=std, seed=2 * seed + 1, **options)
    return keras.Sequential([keras.Input((inputs,)), hidden, readout])


def kernel_is_worse(seed):
    """Return err_lin(0) − 2 err_net of maximal updates by width: positive if the initial kernel is clearly worse."""
    found = [experiment(seed, "mup", width) for width in WIDTHS]
    return [each["linear"] - 2 * each["net"] for each in found]


def trained(seed):
    """Return the train errors of all networks."""
    return [experiment(seed, each, width)["train"] for each in PARAMETERIZATIONS for width in WIDTHS]


def _distance(parameterization):
    """Return the function from a seed to {width: S from start to end}."""
    return lambda seed: {width: experiment(seed, parameterization, width)["distance"] for width in WIDTHS}


def _ratio(parameterization):
    """Return the function from a seed to the first velocity over the late one, at the largest width."""
    return lambda seed: [experiment(seed, parameterization, WIDTHS[-1])["ratio"]]


def _advantage(parameterization, width):
    """Return the function from a seed to err_lin(0) − err_net at a width."""

    def check(seed):
        found = experiment(seed, parameterization, width)
        return [found["linear"] - found["net"]]

    return check


def gain_mup(seed):
    """Return err_lin(0) − err_lin(3) of maximal updates at the largest width."""
    found = experiment(seed, "mup", WIDTHS[-1])
    return [found["linear"] - found["linear early"]]


distance_ntk, distance_standard, distance_mup = map(_distance, PARAMETERIZATIONS)
ratio_ntk, ratio_mup = _ratio("ntk"), _ratio("mup")
ntk_64, ntk_256, ntk_1024, ntk_4096 = (_advantage("ntk", width) for width in WIDTHS)
standard_64, standard_256, standard_1024, standard_4096 = (_advantage("standard", width) for width in WIDTHS)
mup_64, mup_256, mup_1024, mup_4096 = (_advantage("mup", width) for width in WIDTHS)


def curves():
    """Return the panels of the report: kernel distance and test errors by width."""
    from ntkbench.types import Line, Panel

    def line(label, key, parameterization):
        columns = [[experiment(seed, parameterization, width)[key] for seed in range(SEEDS)] for width in WIDTHS]
        means = tuple(float(np.mean(column)) for column in columns)
        return Line(label, tuple(map(float, WIDTHS)), means, tuple(map(min, columns)), tuple(map(max, columns)))

    distances = tuple(line(each, "distance", each) for each in PARAMETERIZATIONS)
    panels = [Panel("Kernel distance S from start to end", "width", "S", distances)]
    for title, key in (
        ("Test error of the network", "net"),
        ("Test error of the network linearised at epoch 0", "linear"),
        (f"Test error of the network linearised at epoch {EARLY}", "linear early"),
    ):
        lines = tuple(line(each, key, each) for each in PARAMETERIZATIONS)
        panels.append(Panel(title, "width", "share wrong", lines, logarithmic=False))
    return panels
