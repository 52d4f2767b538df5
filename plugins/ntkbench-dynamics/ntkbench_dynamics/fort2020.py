"""Check functions of the suite fort2020.

The network has three hidden layers of 16 ReLU units in the standard parameterisation with He initialisation. It is
trained on 1,000 digits by SGD with momentum 0.9 and minibatches of 25 at the constant learning rate 0.035, with
cross-entropy, for 40 epochs. It is that narrow because the tangent kernel of a wide network solves the digits as well
as the network does: the first claim checks that the initial kernel is clearly worse. Linear models and the low-rate
control take as many steps as training, at a tenth of the rate. Barriers are means over the pairs of three children.
"""

import functools
from pathlib import Path

import numpy as np

import ntkbench as nb

from .basin import barriers, children, linearized, share_wrong
from .distances import activation_pattern, pattern_distance
from .kernels import gram, velocity
from .track import assigned

WIDTH, DEPTH = 16, 3
RATE, LOW_RATE, EPOCHS = 0.035, 0.0035, 40
OPTIONS = {"loss": "cross_entropy", "momentum": 0.9, "batch_size": 25}
SPAWNS = (0.0, 0.4, 0.8, 1.6, 3.2)  # epochs
EARLY = SPAWNS[-1]
LATE = (4.0, 8.0, 12.0, 16.0, 20.0)  # epochs
DT = 0.4  # epochs
PROBES, CHILDREN, SEEDS = 48, 3, 10
BLOCK = 4  # networks whose curves are averaged

LAW_WIDTHS = (64, 256, 1024)
LAW_STEPS, LAW_TARGET = 4000, 1e-3  # largest number of steps; loss at which training ends, as a share of the first


def fort2020_file():
    """Return the path of the suite file fort2020.toml."""
    return Path(__file__).parent / "fort2020.toml"


@functools.cache
def experiment(seed):
    """Train one network with its children, linearisations and controls.

    Returns:
        A dictionary: "net", "train_error" and "children_error" are errors at the end, and by epoch there are
        "barrier", "velocity", "linear" (test error of the linearised network) and "low" (that of the control).
    """
    from ntkbench.datasets.digits import load_task

    task = load_task(form="vector", seed=seed)
    (x, y), (x_test, y_test) = ((part.astype(np.float32), labels) for part, labels in (task.train, task.test))
    model = network(seed, x.shape[1], task.outputs)
    trainer = nb.training.Trainer(model, x, y, learning_rate=RATE, order_seed=seed, **OPTIONS)
    low = nb.training.Trainer(model, x, y, learning_rate=LOW_RATE, order_seed=seed, **OPTIONS)
    train_error, test_error = share_wrong(trainer, x, y), share_wrong(trainer, x_test, y_test)
    start, per_epoch, probes = trainer.start(), trainer.steps_per_epoch, x[:PROBES]
    end = round(EPOCHS * per_epoch)

    def at(epoch):
        return trainer.advance(start, round(epoch * per_epoch))

    def kernel(state):
        with assigned(trainer, state):
            return gram(model, probes)

    last = at(EPOCHS)
    found = {"net": test_error(last.weights), "train_error": train_error(last.weights), "children_error": []}
    found |= {"barrier": {}, "velocity": {}, "linear": {}, "low": {}}
    for epoch in (*SPAWNS, *LATE):
        state = at(epoch)
        later = trainer.advance(state, round(DT * per_epoch))
        found["velocity"][epoch] = velocity(kernel(state), kernel(later), DT)
    for epoch in SPAWNS:
        state = at(epoch)
        ends = children(trainer, state, [seed + 1000 * (1 + k) for k in range(CHILDREN)], end)
        found["children_error"] += [train_error(each.weights) for each in ends]
        found["barrier"][epoch] = float(np.mean(barriers(train_error, ends)))
        linear, trained = linearized(model, x, y, state, end, learning_rate=LOW_RATE, order_seed=seed, **OPTIONS)
        found["linear"][epoch] = float(np.mean(linear.outputs(trained, x_test).argmax(1) != y_test))
        found["low"][epoch] = test_error(low.advance(low.start(state.weights), end).weights)
    return found


def network(seed, inputs, outputs):
    """Return the network of the suite: [N, inputs] → [N, outputs]."""
    import keras

    def dense(units, activation, std, number):
        return nb.layers.Dense(
            units,
            activation,
            use_bias=True,
            parameterization="standard",
            weight_std=std,
            seed=1000 * seed + number,
        )

    hidden = [dense(WIDTH, "relu", np.sqrt(2), number) for number in range(DEPTH)]
    return keras.Sequential([keras.Input((inputs,)), *hidden, dense(outputs, None, 1.0, DEPTH)])


def advantage(seed, epoch):
    """Return the test error of the network linearised at an epoch minus that of the network trained on slowly."""
    found = experiment(seed)
    return found["linear"][epoch] - found["low"][epoch]


def kernel_is_worse(seed):
    """Return err_lin(0) − 2 err_net: positive if the initial kernel is clearly worse than the trained network."""
    found = experiment(seed)
    return [found["linear"][0.0] - 2 * found["net"]]


def trained(seed):
    """Return the train errors of the network and of all children."""
    found = experiment(seed)
    return [found["train_error"], *found["children_error"]]


def barrier_at_start(seed):
    """Return the train barrier between children that are spawned at initialisation."""
    return [experiment(seed)["barrier"][0.0]]


def barrier_falls(seed):
    """Return barrier(0) − 5 barrier(3.2): positive if it falls by more than a factor of 5."""
    found = experiment(seed)["barrier"]
    return [found[0.0] - 5 * found[EARLY]]


def velocity_falls(seed):
    """Return v(0) over the mean velocity at epochs 4 to 20."""
    found = experiment(seed)["velocity"]
    return [found[0.0] / np.mean([found[epoch] for epoch in LATE])]


def velocity_stays(seed):
    """Return the mean velocity at epochs 4 to 20."""
    return [experiment(seed)["velocity"][epoch] for epoch in LATE]


def gap_closes(seed):
    """Return the closed part of the gap minus two thirds of it.

    The gap is err_lin(0) − err_net, and its closed part err_lin(0) − err_lin(3.2).
    """
    found = experiment(seed)
    first = found["linear"][0.0]
    return [first - found["linear"][EARLY] - (first - found["net"]) * 2 / 3]


def advantage_in_errors(seed):
    """Return the mean of advantage(0) over ten seeds divided by its standard error; the same for every seed."""
    del seed
    values = [advantage(each, 0.0) for each in range(SEEDS)]
    return [float(np.mean(values) / (np.std(values, ddof=1) / np.sqrt(SEEDS)))]


def advantage_vanishes(seed):
    """Return advantage(0)/10 − advantage(3.2): positive if less than a tenth is left."""
    return [advantage(seed, 0.0) / 10 - advantage(seed, EARLY)]


def correlation(block):
    """Return the smallest rank correlation between barrier, velocity and advantage over the first epochs.

    Curves are means over the four networks of a block, whose seeds no other claim uses: at five times, the ranks of a
    single network's last barriers, which are a few samples of 1,000, are noise, and keep its correlations below 1.
    """
    from scipy.stats import spearmanr

    seeds = [SEEDS + BLOCK * block + each for each in range(BLOCK)]
    rows = [
        [np.mean([of(seed) for seed in seeds]) for of in (_at("barrier", t), _at("velocity", t), _advantage_at(t))]
        for t in SPAWNS
    ]
    values = spearmanr(np.array(rows)).statistic[np.triu_indices(3, 1)]
    return [float(np.min(np.nan_to_num(values)))]  # a constant column correlates with nothing


def _at(key, epoch):
    return lambda seed: experiment(seed)[key][epoch]


def _advantage_at(epoch):
    return lambda seed: advantage(seed, epoch)


def curves():
    """Return the panels of the report: barrier, velocity and errors by the epoch of the snapshot."""
    from ntkbench.types import Line, Panel

    found = [experiment(seed) for seed in range(SEEDS)]

    def line(label, key, epochs):
        columns = [[each[key][epoch] for each in found] for epoch in epochs]
        means = tuple(float(np.mean(column)) for column in columns)
        return Line(label, tuple(epochs), means, tuple(map(min, columns)), tuple(map(max, columns)))

    barrier, velocities = line("children", "barrier", SPAWNS), line("kernel", "velocity", (*SPAWNS, *LATE))
    errors = line("linearised at this epoch", "linear", SPAWNS), line("trained on slowly", "low", SPAWNS)
    return [
        Panel("Error barrier between children", "epoch of spawning", "train error", (barrier,), logarithmic=False),
        Panel(f"Kernel velocity, dt = {DT:g} epochs", "epoch", "S per epoch", (velocities,), logarithmic=False),
        Panel("Performance from a snapshot on", "epoch", "test error", errors, logarithmic=False),
    ]


@functools.cache
def by_width(seed, activation, parameterization):
    """Return the kernel distance and the share of flipped units after gradient descent, by width.

    One hidden layer, 16 inputs on the sphere in 8 dimensions, y = sin(2 x₁) + x₂/2, float64, half the critical step,
    down to a thousandth of the first loss.

    Returns:
        A dictionary {width: (S, flips)}.
    """
    import keras

    x = np.random.default_rng(seed).standard_normal((16, 8))
    x *= np.sqrt(8) / np.linalg.norm(x, axis=1, keepdims=True)
    y = np.sin(2 * x[:, :1]) + x[:, 1:2] / 2
    found = {}
    for width in LAW_WIDTHS:
        options = {"parameterization": parameterization, "dtype": "float64"}
        hidden = nb.layers.Dense(width, activation, seed=10 * seed, **options)
        readout = nb.layers.Dense(1, seed=10 * seed + 1, **options)
        model = keras.Sequential([keras.Input((8,), dtype="float64"), hidden, readout])
        trainer = nb.training.Trainer(model, x, y, learning_rate=nb.training.critical_step(model, x) / 2)
        start = trainer.start()
        goal = LAW_TARGET * trainer.loss(start)
        end = trainer.run(start, LAW_STEPS, stop=lambda loss, goal=goal: loss <= goal)
        ends = []
        for state in (start, end):
            with assigned(trainer, state):
                ends.append((gram(model, x), activation_pattern(model, x)))
        (k0, b0), (k, b) = ends
        found[width] = nb.kernel_distance(k0, k), pattern_distance(b0, b)
    return found


def distance_tanh(seed):
    """Return {width: S} for tanh in the NTK parameterisation."""
    return {width: s for width, (s, _) in by_width(seed, "tanh", "ntk").items()}


def distance_relu(seed):
    """Return {width: S} for ReLU in the NTK parameterisation."""
    return {width: s for width, (s, _) in by_width(seed, "relu", "ntk").items()}


def flips_relu(seed):
    """Return {width: share of flipped units} for ReLU in the NTK parameterisation."""
    return {width: flips for width, (_, flips) in by_width(seed, "relu", "ntk").items()}


def flips_tanh(seed):
    """Return {width: share of hidden units that change sign} for tanh in the NTK parameterisation."""
    return {width: flips for width, (_, flips) in by_width(seed, "tanh", "ntk").items()}


def distance_standard(seed):
    """Return the exponent of S between the two largest widths, for tanh in the standard parameterisation."""
    (narrow, wide), found = LAW_WIDTHS[-2:], by_width(seed, "tanh", "standard")
    return [float(np.log(found[wide][0] / found[narrow][0]) / np.log(wide / narrow))]
