"""Train a network to classify, and choose its learning rate and length of training on validation samples."""

import numpy as np

from ntkbench import NtkbenchError, training

from .drawing import stratified

RATES = (0.5, 0.1)  # learning rates, in units of the critical step of a minibatch
MOMENTUM, BATCH, STEPS, CHECKS = 0.9, 32, 600, 10
PARTS = 10  # one in this many train samples is a validation sample


def accuracies(network, architecture, task, *names):
    """Return the accuracy on the test part, the best one on the validation samples, and the number of the choice.

    Minibatch descent with momentum on the square loss, to the end of 600 steps at each learning rate, on nine tenths of
    the train part. The weights with the best accuracy on the other tenth classify the test part; of equal ones, the
    first.

    Args:
        network: The network at its initial weights.
        architecture: Its specification, whose `targets` are the outputs for −1 and 1.
        task: The task.
        *names: What the draw of the validation samples depends on.
    """
    (x, y), (x_test, y_test) = task.train, task.test
    held = stratified(y, min(PARTS, len(y)), *names) == 0
    kept, held = np.flatnonzero(~held), np.flatnonzero(held)
    low, high = architecture.targets
    targets = (low + high) / 2 + (high - low) / 2 * task.targets(y[kept])
    batch = min(BATCH, len(kept))
    critical = training.critical_step(network, _rows(x, kept[np.linspace(0, len(kept) - 1, batch).astype(int)]))
    best = None
    for number, rate in enumerate(RATES):
        trainer = training.Trainer(
            network, _rows(x, kept), targets, momentum=MOMENTUM, learning_rate=rate * critical, batch_size=batch
        )
        state = trainer.start()
        for check in range(CHECKS):
            try:
                state = trainer.advance(state, STEPS // CHECKS)
            except NtkbenchError:  # it diverged
                break
            found = float(np.mean(trainer.outputs(state, _rows(x, held)).argmax(1) == y[held]))
            if best is None or found > best[0]:
                best = found, number * CHECKS + check, trainer, state
    if best is None:
        raise NtkbenchError("Training diverged at every learning rate.")
    found, choice, trainer, state = best
    return float(np.mean(trainer.outputs(state, x_test).argmax(1) == y_test)), found, choice


def _rows(x, rows):
    return {name: part[rows] for name, part in x.items()} if isinstance(x, dict) else x[rows]
