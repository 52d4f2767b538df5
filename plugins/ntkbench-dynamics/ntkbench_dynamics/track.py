"""One training with snapshots that a kill does not lose, and what is measured at them."""

import contextlib
import hashlib
import io
import os
from pathlib import Path

import numpy as np

import ntkbench as nb

from .distances import activation_pattern
from .kernels import all_distances, gram, velocity
from .nests import map_arrays

DENSE = 4  # the first intervals dt, all of which are snapshots
RATIO = 2**0.5  # of later snapshot times


class Track:
    """A training with snapshots at times that are thinned on a logarithmic scale.

    Snapshots are multiples of dt, in pairs one dt apart: each pair gives one kernel velocity. Everything is computed on
    first use and kept in the folder, one file each, written atomically. With the same arguments and the same folder, a
    new object finds the files and computes the missing ones only; its numbers are the same bit for bit. More steps
    continue the training.

    Args:
        trainer: An `ntkbench.training.Trainer`.
        model: The model that it trains.
        x: Inputs [m, ...] at which kernels, patterns and outputs are measured.
        steps: Number of training steps; rounded down to a multiple of dt, and at least one dt.
        folder: Folder for the files; it exists.
        dt: Time between the two snapshots of a pair in epochs; rounded to whole steps.
        start: State before the first step; default: `trainer.start()`.
        say: Called with what is being computed, such as "training, epoch 3.2 of 20".

    Attributes:
        dt: The time between the two snapshots of a pair in epochs, after rounding.
        pairs: First steps of the pairs.
        steps: Steps of all snapshots, ascending; the last one is the end of training.

    Raises:
        NtkbenchError: The folder does not exist, or holds the files of another training, or dt is not positive.
    """

    def __init__(self, trainer, model, x, steps, folder, *, dt=0.4, start=None, say=None):
        self.trainer, self.model, self.x, self.folder = trainer, model, x, Path(folder)
        self._start = trainer.start() if start is None else start
        self._say = say or (lambda stage: None)
        if not 0 < dt < np.inf:
            raise nb.NtkbenchError(f"dt={dt!r} is invalid; pass a positive number of epochs.")
        if not self.folder.is_dir():
            raise nb.NtkbenchError(f"The folder {self.folder} does not exist; create it first.")
        self.interval = max(round(dt * trainer.steps_per_epoch), 1)
        self.dt = self.interval / trainer.steps_per_epoch
        first = thinned(max(steps // self.interval, 1))
        self.pairs = [self.interval * k for k in first]
        self.steps = sorted({self.interval * (k + more) for k in first for more in (0, 1)})
        mine = self._fingerprint()
        if str(kept(self.folder / "training.npz", lambda: {"sha256": mine})["sha256"]) != mine:
            raise nb.NtkbenchError(
                f"The folder {self.folder} holds the files of a training with another start, other data or other "
                "arguments. Pass an empty folder."
            )

    def _fingerprint(self):
        """Return the SHA-256 of the start, the data and the arguments of the training."""
        found, trainer, start = hashlib.sha256(), self.trainer, self._start
        rates = [trainer.learning_rate(step) for step in range(0, 100 * self.interval, self.interval)]
        settings = (self.interval, trainer.loss_name, repr(trainer.optimizer), trainer.batch_size, rates)
        place = (start.step, start.position, start.order_seed, sorted(start.slots))
        found.update(repr((settings, place)).encode())

        def add(array):
            found.update(repr((array.dtype.str, array.shape)).encode() + np.ascontiguousarray(array).tobytes())

        for each in (trainer.x, trainer.y, start.weights, *(start.slots[name] for name in sorted(start.slots)), self.x):
            map_arrays(add, each)
        return found.hexdigest()

    def epoch(self, step):
        """Return the time of a step in epochs."""
        return step / self.trainer.steps_per_epoch

    def place(self, step):
        """Return where a step is in the training: "epoch 3.2 of 20"."""
        return f"epoch {self.epoch(step):.3g} of {self.epoch(self.steps[-1]):.3g}"

    def state(self, step):
        """Return the state at a snapshot, trained on from the latest snapshot before it.

        Raises:
            Diverged: Training diverges.
        """
        file = self.folder / f"state-{step}.npz"
        if file.exists():
            return nb.training.load(file)
        earlier = [each for each in self.steps if each < step]
        before = self.state(earlier[-1]) if earlier else self._start
        self._say(f"training, {self.place(step)}")
        state = self.trainer.advance(before, step - before.step)
        state.save(file)
        return state

    def kernel(self, step):
        """Return the Gram matrix at the inputs x: [m·O, m·O]; see `gram`."""
        return self._kept("kernel", step, lambda: {"kernel": gram(self.model, self.x)})["kernel"]

    def pattern(self, step):
        """Return the activation pattern [m, U], or None; see `activation_pattern`."""

        def measure():
            found = activation_pattern(self.model, self.x)
            return {} if found is None else {"pattern": np.packbits(found, axis=1), "units": found.shape[1]}

        found = self._kept("pattern", step, measure)
        return np.unpackbits(found["pattern"], axis=1, count=int(found["units"])).astype(bool) if found else None

    def outputs(self, step):
        """Return the outputs at the inputs x: [m, O] float64."""
        return self.trainer.outputs(self.state(step), self.x).astype(np.float64)

    def sharpness(self, step, hessian):
        """Return the two largest eigenvalues of a `LossHessian` of the model, the largest first; one if P = 1."""
        return self._kept("sharpness", step, lambda: {"values": hessian.largest(min(2, hessian.size))})["values"]

    def velocities(self):
        """Return the kernel velocity of each pair: {time of its first snapshot in epochs: S/dt}."""
        return {
            self.epoch(step): velocity(self.kernel(step), self.kernel(step + self.interval), self.dt)
            for step in self.pairs
        }

    def distances(self):
        """Return the kernel distances S between all snapshots: [T, T]."""
        return all_distances([self.kernel(step) for step in self.steps])

    def _kept(self, name, step, measure):
        def at_step():
            with assigned(self.trainer, self.state(step)):
                return measure()

        return kept(self.folder / f"{name}-{step}.npz", at_step)


def thinned(last):
    """Return integers from 0 to last − 1: the first ones all, later ones a factor √2 apart, and last − 1."""
    found, k = set(range(min(DENSE, last))), float(DENSE)
    while k < last:
        found.add(int(k))
        k *= RATIO
    return sorted({*found, last - 1})


@contextlib.contextmanager
def assigned(trainer, state):
    """Give the model the weights of a state, and its own back on leaving."""
    before = trainer.start()
    trainer.assign(state)
    try:
        yield
    finally:
        trainer.assign(before)


def kept(file, compute):
    """Return a dictionary of arrays from a file; if it is missing, compute it and write it, whole or not at all."""
    file = Path(file)
    if file.exists():
        with np.load(file, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    arrays = {name: np.asarray(each) for name, each in compute().items()}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    partial = file.with_suffix(".partial")
    with open(partial, "wb") as stream:
        stream.write(buffer.getvalue())
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(partial, file)
    return arrays
