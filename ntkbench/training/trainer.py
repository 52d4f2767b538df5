"""Train a model, or its linearisation, with all of the training's state in one value."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ..engine.checks import enter, require_one_of, require_right_derivatives
from ..engine.model import explained
from ..engine.ops import deterministic
from ..errors import Diverged, NtkbenchError
from .arguments import number, whole, wholes
from .losses import LOSSES, targets
from .optimizers import Optimizer, optimizer_of
from .order import batches
from .program import linear_outputs, loop
from .schedules import schedule_of
from .state import State

OPTIMIZERS = ("sgd", "adam")
CALL_SECONDS = 0.5  # aimed duration of one call of the compiled loop, during which Ctrl-C has to wait
FIRST_STEPS = 16  # steps of the first call
MOST_NUMBERS = 2**20  # entries in the table of samples of one call
BLOCK = 256  # samples of one call when outputs are evaluated
CHECKS = 20  # least number of steps between evaluations of the loss for a stopping rule


class Trainer:
    """Trains a model on fixed data. States are values: each method takes one, and returns a new one or a number.

    On one device and one version of TensorFlow, a state determines all later states bit for bit: in whatever portions
    the steps are taken, and whether or not the state was saved and loaded in between.

    The model is called with training=False, as everywhere in ntkbench: Dropout is inactive, and the moving statistics
    of BatchNormalization are constants that training does not change. Only the trainable weights are trained and belong
    to the state. Every method leaves the model with the weights it had before; see `assign`.

    Args:
        model: A Keras 3 model, a `tf.Module`, or a callable with `trainable_variables`; see `empirical_ntk`.
        x: Training inputs [N, ...].
        y: Targets [N, O], or [N] for a single output; for cross-entropy, labels [N] from 0 to O − 1.
        loss: "square": (1/N) Σ_n Σ_o (f_no − y_no)² / 2. "cross_entropy": −(1/N) Σ_n log softmax(f_n)[y_n], in which
            the outputs f are logits. For a minibatch, the mean is over its samples. The built-in gradient descent and
            `kernels.Ensemble` use the sum over samples: T steps of size η here are a time T·η/N there.
        optimizer: "sgd" or "adam" (β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸).
        momentum: Momentum μ of "sgd": v ← μ v + ∇L, w ← w − η v.
        learning_rate: Learning rate η; see `critical_step`.
        schedule: Factor of the learning rate at step t. "constant": 1. "step": `factor` to the number of `milestones`
            that are at most t. "cosine": (1 + cos(π t / total_steps)) / 2, and 0 after total_steps.
        milestones: Steps at which "step" changes the learning rate.
        factor: Factor of "step".
        total_steps: Steps after which "cosine" is 0.
        warmup: Number of steps at the start whose learning rates are multiplied by 1/warmup, 2/warmup, ...
        batch_size: Samples in a minibatch; None for all N. Every epoch takes each sample once, in an order that
            order_seed and the epoch determine. A batch is never cut: it may contain the end of one epoch and the start
            of the next.
        order_seed: Seed of the order.
        linearize_at: Weights w0 [P] at which the model is linearised: f(w0; x) + J(w0; x)·(w − w0) is trained instead
            of f(w; x). None trains the model itself.
        output_name: For a model with several outputs: the name, dictionary key or index of the output to use.

    Raises:
        NtkbenchError: The model, the data or an argument is invalid, or the model's derivatives are wrong.
    """

    def __init__(
        self,
        model: Any,
        x: Any,
        y: Any,
        *,
        loss: str = "square",
        optimizer: str = "sgd",
        momentum: float = 0.0,
        learning_rate: float,
        schedule: str = "constant",
        milestones: Sequence[int] = (),
        factor: float = 0.1,
        total_steps: int | None = None,
        warmup: int = 0,
        batch_size: int | None = None,
        order_seed: int = 0,
        linearize_at: Any = None,
        output_name: str | int | None = None,
    ):
        require_one_of(loss, tuple(LOSSES), "loss")
        require_one_of(optimizer, OPTIMIZERS, "optimizer")
        momentum = number(momentum, "momentum", below=1, with_low=True)
        if momentum and optimizer != "sgd":
            raise NtkbenchError(f"momentum={momentum!r} applies to optimizer='sgd' only; {optimizer!r} has its own.")
        rate = number(learning_rate, "learning_rate")
        shape = schedule_of(schedule, milestones=milestones, factor=factor, total_steps=total_steps, warmup=warmup)
        self._model, self._output_name = model, output_name
        self.net, self.x, _ = enter(model, x, output_name=output_name)
        self.samples = len(self.x)
        require_right_derivatives(self.net, self.x, order=1, unit="every")
        self.y = targets(y, loss, self.samples, self._outputs(self.x[:1]).shape[1], self.net.dtype)
        self.loss_name, self.order_seed = loss, whole(order_seed, "order_seed")
        self.optimizer: Optimizer = optimizer_of(optimizer, momentum)
        self.batch_size = self.samples if batch_size is None else whole(batch_size, "batch_size", 1)
        if self.batch_size > self.samples:
            raise NtkbenchError(f"batch_size={batch_size} is more than the {self.samples} training inputs; use less.")
        self.origin = None if linearize_at is None else self._weights(linearize_at, "linearize_at")
        self._rate = lambda step: rate * shape(step)

    # -- states --------------------------------------------------------------------------------------------------------

    def start(self, weights: Any = None) -> State:
        """Return the state before the first step.

        Args:
            weights: Weights [P] to start from, such as those of another state; default: w0 for a linearised model,
                otherwise the model's current weights.
        """
        if weights is None:
            weights = self.net.theta() if self.origin is None else self.origin
        w = self._weights(weights, "weights").numpy()
        slots = {name: np.zeros_like(w) for name in self.optimizer.slots}
        return State(weights=w, slots=slots, order_seed=self.order_seed)

    @property
    def steps_per_epoch(self) -> float:
        """Number of steps in which as many samples are used as there are."""
        return self.samples / self.batch_size

    def learning_rate(self, step: int) -> float:
        """Return the learning rate at a step, counted from 0."""
        return self._rate(step)

    @explained("TensorFlow cannot train this model")
    def advance(self, state: State, n_steps: int) -> State:
        """Return the state after some steps.

        Args:
            state: The state before them.
            n_steps: Number of steps.

        Raises:
            Diverged: A loss or the weights after a step are not finite; the message gives the step.
            NtkbenchError: The state belongs to another model or optimizer.
        """
        w, slots = self._checked(state)
        left, step, position = whole(n_steps, "n_steps", 0), state.step, state.position
        program, origin = self._program(), tf.zeros([0], self.net.dtype) if self.origin is None else self.origin
        full, most, size = self.batch_size == self.samples, MOST_NUMBERS // self.batch_size or 1, FIRST_STEPS
        with self._restored(), deterministic():
            while left:
                n = min(left, size, most)
                table = [self.optimizer.coefficients(step + i, self._rate(step + i)) for i in range(n)]
                rows = batches(self.samples, self.batch_size, n, position, state.order_seed) if not full else None
                began = time.monotonic()
                w, slots, done = program(
                    self.x,
                    self.y,
                    origin,
                    w,
                    slots,
                    tf.zeros([n, 0], tf.int32) if rows is None else tf.constant(rows),
                    tf.constant(table, self.net.dtype),
                )
                step, position, left = step + int(done), position + int(done) * self.batch_size, left - n
                if int(done) < n:
                    raise Diverged(
                        f"Training diverged: the loss or the weights are not finite after step {step}. Use a smaller "
                        "learning rate; training.critical_step gives the largest stable one for the square loss."
                    )
                size = size * 2 if time.monotonic() - began < CALL_SECONDS / 2 else max(size // 2, 1)
        arrays = {name: each.numpy() for name, each in zip(self.optimizer.slots, slots, strict=True)}
        return State(weights=w.numpy(), slots=arrays, step=step, position=position, order_seed=state.order_seed)

    def run(
        self,
        state: State,
        steps: int,
        *,
        at: Sequence[int] = (),
        hook: Callable[[State], Any] | None = None,
        stop: Callable[[float], bool] | None = None,
        check_every: int | None = None,
    ) -> State:
        """Train up to a step, and return the last state.

        All steps are counted from the start of training, so that the same call with a state that was saved on the way
        ends with the same state.

        Args:
            state: The state to begin with.
            steps: Step at which training ends. A state that is there already is returned as it is.
            at: Steps at which the hook is called; those before the state's step are left out.
            hook: Called with the state at each of the steps `at`, in order.
            stop: Called with the loss on all training data at every multiple of `check_every` steps; training ends when
                it returns true.
            check_every: Steps between calls of `stop`; default: one epoch rounded up, at least 20.

        Raises:
            Diverged: See `advance`.
        """
        self._checked(state)
        end = whole(steps, "steps", 0)
        hooked = set(wholes(at, "at"))
        if hooked and hook is None:
            raise NtkbenchError("at= lists steps for a hook, but there is no hook; pass hook=.")
        every = whole(check_every, "check_every", 1) if check_every else max(CHECKS, math.ceil(self.steps_per_epoch))
        while True:
            if hook is not None and state.step in hooked:
                hook(state)
            if stop is not None and state.step % every == 0 and stop(self.loss(state)):
                return state
            later = [each for each in hooked if each > state.step]
            if stop is not None:
                later.append(state.step - state.step % every + every)
            following = min([end, *later])
            if following <= state.step:
                return state
            state = self.advance(state, following - state.step)

    # -- evaluation ----------------------------------------------------------------------------------------------------

    def outputs(self, state: State, x: Any = None) -> np.ndarray:
        """Return the outputs of the trained model, or of its linearisation, at inputs x.

        Args:
            state: The state.
            x: Inputs [M, ...]; default: the training inputs.

        Returns:
            An array [M, O] in the model's precision.
        """
        inputs = self.x if x is None else enter(self._model, x, output_name=self._output_name)[1]
        w, _ = self._checked(state)
        with self._restored(), deterministic():
            return self._outputs(inputs, w)

    def loss(self, state: State) -> float:
        """Return the loss on all training data, computed in float64 from the outputs."""
        y = self.y if self.y.dtype.is_integer else tf.cast(self.y, tf.float64)
        return float(LOSSES[self.loss_name](tf.constant(self.outputs(state), tf.float64), y)[0])

    def assign(self, state: State) -> None:
        """Set the model's weights to those of a state, to use the model with any other function."""
        self.net.assign(self._checked(state)[0])

    # -- the compiled program ------------------------------------------------------------------------------------------

    def _program(self) -> Any:
        """Return the compiled loop over steps."""
        linear, full = self.origin is not None, self.batch_size == self.samples
        vector = tf.TensorSpec([self.net.size], self.net.dtype)
        key = (
            "training",
            self.loss_name,
            type(self.optimizer),
            linear,
            self.batch_size,
            tuple(self.x.shape),
            self.x.dtype,
            tuple(self.y.shape),
        )
        return self.net.function(
            key,
            lambda: loop(self.net, LOSSES[self.loss_name], self.optimizer, linear, full),
            input_signature=[
                tf.TensorSpec(self.x.shape, self.x.dtype),
                tf.TensorSpec(self.y.shape, self.y.dtype),
                vector if linear else tf.TensorSpec([0], self.net.dtype),
                vector,
                tuple(vector for _ in self.optimizer.slots),
                tf.TensorSpec([None, 0 if full else self.batch_size], tf.int32),
                tf.TensorSpec([None, len(self.optimizer.coefficients(0, 1.0))], self.net.dtype),
            ],
        )

    @explained("TensorFlow cannot differentiate this model")
    def _outputs(self, x: tf.Tensor, w: tf.Tensor | None = None) -> np.ndarray:
        """Return the outputs [M, O] at weights w [P]; None for the model's own."""
        if w is not None and self.origin is None:
            self.net.assign(w)
        elif w is not None:
            self.net.assign(self.origin)
            along = self.net.function(
                "training: linear outputs", lambda: lambda x, v: linear_outputs(self.net, x, v)[0]
            )
            return np.concatenate([along(part, w - self.origin).numpy() for part in _blocks(x)])
        of = self.net.function("outputs", lambda: self.net.outputs)
        return np.concatenate([of(part).numpy() for part in _blocks(x)])

    @contextlib.contextmanager
    def _restored(self) -> Iterator[None]:
        """Give the model its weights back on leaving."""
        before = self.net.theta()
        try:
            yield
        finally:
            self.net.assign(before)

    def _checked(self, state: State) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        """Return the weights and the slots of a state. Raises NtkbenchError if it belongs to another training."""
        if not isinstance(state, State):
            raise NtkbenchError(f"Got a {type(state).__name__}; pass a State, such as trainer.start() returns.")
        if set(state.slots) != set(self.optimizer.slots):
            raise NtkbenchError(
                f"The state has the optimizer slots {_listed(state.slots)}, but this optimizer has "
                f"{_listed(self.optimizer.slots)}. Begin anew with trainer.start(state.weights)."
            )
        slots = tuple(self._weights(state.slots[name], name) for name in self.optimizer.slots)
        return self._weights(state.weights, "state.weights"), slots

    def _weights(self, given: Any, name: str) -> tf.Tensor:
        """Return a vector [P] in the model's precision. Raises NtkbenchError if it is not one."""
        dtype = getattr(given, "dtype", None)
        found = np.asarray(given)
        if found.shape != (self.net.size,) or found.dtype != self.net.dtype.as_numpy_dtype:
            raise NtkbenchError(
                f"{name} has shape {list(found.shape)} and dtype {getattr(dtype, 'name', found.dtype.name)}; the model "
                f"has {self.net.size} trainable weights in {self.net.dtype.name}, so a vector [{self.net.size}] of "
                f"{self.net.dtype.name} is needed."
            )
        return tf.constant(found)


def _blocks(x: tf.Tensor) -> list[tf.Tensor]:
    return [x[start : start + BLOCK] for start in range(0, len(x), BLOCK)]


def _listed(names: Any) -> str:
    return ", ".join(map(repr, sorted(names))) or "none"
