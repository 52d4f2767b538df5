"""A state determines the rest of training bit for bit, in memory and in a file."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, settings, strategies
from problems import LABELS, SAMPLES, X, Y, model

import ntkbench as nb
from ntkbench.errors import Diverged, NtkbenchError
from ntkbench.training import Trainer, load
from ntkbench.training.order import batches

STEPS = 24
OPTIMIZERS = {"sgd": {}, "momentum": {"momentum": 0.9}, "adam": {"optimizer": "adam"}}
SCHEDULES = {
    "constant": {},
    "step": {"schedule": "step", "milestones": [5, 17]},
    "cosine": {"schedule": "cosine", "total_steps": 20},
}
MODELS = {precision: model(16, 16, precision=precision) for precision in ("float32", "float64")}


def trainer_of(precision="float64", optimizer="momentum", schedule="cosine", batch_size=4, **options):
    options = {"loss": "cross_entropy", "learning_rate": 0.05} | OPTIMIZERS[optimizer] | SCHEDULES[schedule] | options
    return Trainer(MODELS[precision], X, LABELS, batch_size=batch_size, **options)


@settings(max_examples=40)
@given(
    strategies.sampled_from(["float32", "float64"]),
    strategies.sampled_from(sorted(OPTIMIZERS)),
    strategies.sampled_from(sorted(SCHEDULES)),
    strategies.sampled_from([1, 3, 4, None]),
    strategies.booleans(),
    strategies.lists(strategies.integers(1, STEPS), max_size=4),
)
def test_steps_in_any_portions_give_the_same_bits(precision, optimizer, schedule, batch_size, linear, cuts):
    origin = trainer_of(precision).start().weights if linear else None
    trainer = trainer_of(precision, optimizer, schedule, batch_size, linearize_at=origin)
    at_once = trainer.advance(trainer.start(), STEPS)
    state = trainer.start()
    for end in [*sorted(cuts), STEPS]:
        state = trainer.advance(state, end - state.step)
    assert state == at_once
    assert state.weights.dtype == precision


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_saved_and_loaded_state_goes_on_as_if_nothing_had_happened(tmp_path, precision, optimizer, schedule):
    trainer = trainer_of(precision, optimizer, schedule)
    half = trainer.advance(trainer.start(), STEPS // 2)
    half.save(tmp_path / "half")
    assert load(tmp_path / "half") == half
    assert set(half.slots) == set(trainer.optimizer.slots)
    again = trainer_of(precision, optimizer, schedule)
    assert again.advance(load(tmp_path / "half"), STEPS - STEPS // 2) == trainer.advance(trainer.start(), STEPS)


def test_a_state_is_a_value():
    trainer = trainer_of()
    state = trainer.start()
    before = state.weights.copy()
    later = trainer.advance(state, 3)
    assert np.array_equal(state.weights, before)
    assert state != later
    assert later == evolve(later)
    with pytest.raises(ValueError, match="read-only"):
        later.weights[0] = 0.0


def test_a_branch_differs_only_after_the_branch():
    trainer = trainer_of()
    parent = trainer.advance(trainer.start(), 10)
    child = parent.branch(5)
    assert evolve(child, order_seed=parent.order_seed) == parent
    assert np.array_equal(child.slots["velocity"], parent.slots["velocity"])
    ends = [trainer.advance(each, 10).weights for each in (parent, child, parent.branch(6), parent.branch(5))]
    assert np.array_equal(ends[1], ends[3])
    assert all(not np.array_equal(a, b) for a, b in [(ends[0], ends[1]), (ends[0], ends[2]), (ends[1], ends[2])])


def test_the_order_of_full_batches_does_not_matter():
    trainer = trainer_of(batch_size=None)
    state = trainer.advance(trainer.start(), 2)
    assert np.array_equal(trainer.advance(state.branch(1), 3).weights, trainer.advance(state, 3).weights)


@given(strategies.integers(1, 30), strategies.data(), strategies.integers(0, 2**62))
def test_every_epoch_takes_each_sample_once(n, data, seed):
    size = data.draw(strategies.integers(1, n))
    rows = batches(n, size, 3 * n, 0, seed).ravel()
    for epoch in range(3 * size):
        assert sorted(rows[epoch * n : (epoch + 1) * n]) == list(range(n))
    skipped = data.draw(strategies.integers(0, 3 * n - 1))
    rest = batches(n, size, 3 * n - skipped, skipped * size, seed)
    assert np.array_equal(rest.ravel(), rows[skipped * size :])


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = {tuple(batches(30, 30, 1, 30 * epoch, seed)[0]) for epoch in range(3) for seed in range(3)}
    assert len(orders) == 9


# -- run --------------------------------------------------------------------------------------------------------------


def test_hooks_get_the_states_of_their_steps():
    trainer = trainer_of()
    seen = []
    end = trainer.run(trainer.start(), 9, at=[7, 0, 3, 9, 12], hook=seen.append)
    assert [state.step for state in seen] == [0, 3, 7, 9]
    assert seen == [trainer.advance(trainer.start(), n) for n in (0, 3, 7, 9)]
    assert end == seen[-1]


def test_a_run_that_goes_on_from_a_hook_ends_with_the_same_state():
    trainer = trainer_of(optimizer="sgd", schedule="constant")
    seen = []
    stop = {"stop": lambda loss: loss < 0.5, "check_every": 7}
    end = trainer.run(trainer.start(), 2000, at=range(0, 2000, 10), hook=seen.append, **stop)
    assert 20 < end.step < 2000
    assert end.step % 7 == 0
    assert trainer.loss(end) < 0.5 <= trainer.loss(trainer.advance(trainer.start(), end.step - 7))
    for state in (seen[1], seen[-1], end):
        assert trainer.run(state, 2000, **stop) == end


def test_the_default_interval_of_stopping_is_an_epoch():
    trainer = Trainer(MODELS["float64"], np.repeat(X, 5, 0), np.repeat(Y, 5, 0), learning_rate=0.01, batch_size=2)
    losses = []
    trainer.run(trainer.start(), 60, stop=losses.append)
    assert len(losses) == 3
    assert losses[1] == trainer.loss(trainer.advance(trainer.start(), 25))


def test_a_finished_state_is_returned_as_it_is():
    trainer = trainer_of()
    state = trainer.advance(trainer.start(), 5)
    assert trainer.run(state, 5) == trainer.run(state, 3) == state


@pytest.mark.parametrize("portion", [1, 2, 5, 100])
def test_divergence_is_found_at_its_step_in_any_portions(portion):
    def run(portion):
        trainer = Trainer(MODELS["float32"], X, Y, learning_rate=1e15, momentum=0.9, batch_size=3)
        state = trainer.start()
        while True:
            state = trainer.advance(state, portion)

    with pytest.raises(Diverged, match=r"after step [1-9]\d*\.") as expected:
        run(1)
    with pytest.raises(Diverged) as found:
        run(portion)
    assert str(found.value) == str(expected.value)


# -- files ------------------------------------------------------------------------------------------------------------


def test_a_state_file_is_plain_arrays(tmp_path):
    trainer = trainer_of(optimizer="adam")
    state = trainer.advance(trainer.start(), 2)
    state.save(tmp_path / "state.npz")
    with np.load(tmp_path / "state.npz", allow_pickle=False) as file:
        assert sorted(file.files) == ["header", "slot/first_moment", "slot/second_moment", "weights"]
        header = json.loads(file["header"].tobytes())
        assert np.array_equal(file["weights"], state.weights)
    assert (header["step"], header["position"], header["order_seed"]) == (2, 8, 0)
    assert [each.name for each in tmp_path.iterdir()] == ["state.npz"]


@given(strategies.data())
@settings(max_examples=60)
def test_a_damaged_file_is_refused(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("states") / "state"
    trainer_of().start().save(file)
    content = bytearray(file.read_bytes())
    if data.draw(strategies.booleans()):
        del content[data.draw(strategies.integers(0, len(content) - 1)) :]
    else:
        content[data.draw(strategies.integers(0, len(content) - 1))] ^= 1 << data.draw(strategies.integers(0, 7))
    file.write_bytes(content)
    try:
        assert load(file) == trainer_of().start()  # the damage is in a part of the archive that holds no data
    except NtkbenchError as error:
        assert str(file) in str(error)


@pytest.mark.parametrize("content", [b"", b"{}", b"\x80\x04N.", b"PK\x05\x06" + bytes(18)])
def test_a_foreign_file_is_refused(tmp_path, content):
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(NtkbenchError, match="cannot be loaded: it is not a training state"):
        load(tmp_path / "other")


def test_a_pickle_is_never_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (print, ("loaded",))

    np.savez(tmp_path / "bomb.npz", header=np.array([Bomb()], dtype=object), weights=np.zeros(2))
    with pytest.raises(NtkbenchError, match="not a training state"):
        load(tmp_path / "bomb.npz")


def test_a_file_of_another_version_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ntkbench.training.state.VERSION", 9)
    trainer_of().start().save(tmp_path / "state")
    monkeypatch.undo()
    with pytest.raises(NtkbenchError, match="of version 9; this ntkbench reads 1"):
        load(tmp_path / "state")


def test_a_missing_file_and_a_missing_folder_are_reported(tmp_path):
    with pytest.raises(NtkbenchError, match="could not be read: No such file"):
        load(tmp_path / "none")
    with pytest.raises(NtkbenchError, match="could not be written: No such file"):
        trainer_of().start().save(tmp_path / "no" / "state")


# -- what does not fit ------------------------------------------------------------------------------------------------


def test_states_of_other_trainings_are_refused():
    trainer = trainer_of()
    for state, message in [
        (trainer_of(optimizer="adam").start(), "optimizer slots 'first_moment', 'second_moment', but .* 'velocity'"),
        (trainer_of("float32").start(), "in float64, so a vector .* of float64 is needed"),
        (evolve(trainer.start(), weights=np.zeros(3)), r"state.weights has shape \[3\]"),
        (evolve(trainer.start(), slots={"velocity": np.zeros(3)}), r"velocity has shape \[3\]"),
        (trainer.start().weights, "Got a ndarray; pass a State"),
    ]:
        with pytest.raises(NtkbenchError, match=message):
            trainer.advance(state, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "hinge"}, "Unknown loss 'hinge'"),
        ({"optimizer": "sgdd"}, "Unknown optimizer 'sgdd'. Did you mean 'sgd'"),
        ({"optimizer": "adam", "momentum": 0.9}, "applies to optimizer='sgd' only"),
        ({"momentum": 1.0}, "at least 0 and less than 1"),
        ({"learning_rate": 0}, "learning_rate=0 is invalid; pass a number greater than 0"),
        ({"learning_rate": float("nan")}, "learning_rate=nan is invalid"),
        ({"learning_rate": float("inf")}, "learning_rate=inf is invalid"),
        ({"schedule": "cosin"}, "Unknown schedule 'cosin'. Did you mean 'cosine'"),
        ({"schedule": "cosine"}, "schedule='cosine' needs total_steps="),
        ({"schedule": "step"}, "schedule='step' needs milestones="),
        ({"schedule": "step", "milestones": 5}, "milestones=5 is invalid; pass a list of steps"),
        ({"milestones": [3]}, "milestones= applies to schedule='step' only, not to 'constant'"),
        ({"batch_size": 11}, f"batch_size=11 is more than the {SAMPLES} training inputs"),
        ({"batch_size": 0}, "batch_size=0 is invalid"),
        ({"order_seed": 1.5}, "order_seed=1.5 is invalid; pass an integer."),
        ({"warmup": -1}, "warmup=-1 is invalid"),
        ({"linearize_at": np.zeros(2)}, r"linearize_at has shape \[2\]"),
        ({"y": Y[:5]}, r"y has shape \[5, 3\], but 10 inputs and 3 outputs need \[10, 3\]"),
        ({"y": LABELS}, r"y has shape \[10\], but"),
        ({"y": Y * np.inf}, "y contains NaN, infinity"),
        ({"y": "text"}, "y is a str, not an array of numbers"),
        ({"y": [[1], [2, 3]]}, "y is a list, not an array of numbers"),
        ({"loss": "cross_entropy"}, "needs integer labels"),
        ({"loss": "cross_entropy", "y": LABELS + 1}, "labels from 1 to 3, but the model has 3 outputs"),
        ({"x": X * np.nan}, "contains NaN"),
    ],
)
def test_a_wrong_argument_is_one_sentence(options, message):
    arguments = {"x": X, "y": Y, "learning_rate": 0.1} | options
    with pytest.raises(NtkbenchError, match=message):
        Trainer(MODELS["float64"], arguments.pop("x"), arguments.pop("y"), **arguments)


def test_one_logit_has_no_cross_entropy():
    with pytest.raises(NtkbenchError, match="one output, but loss='cross_entropy' needs one logit per class"):
        Trainer(model(outputs=1), X, LABELS, loss="cross_entropy", learning_rate=0.1)


def test_a_hook_needs_steps_and_steps_a_hook():
    trainer = trainer_of()
    with pytest.raises(NtkbenchError, match="there is no hook"):
        trainer.run(trainer.start(), 3, at=[1])
    with pytest.raises(NtkbenchError, match="steps=-1 is invalid"):
        trainer.run(trainer.start(), -1)


def test_training_starts_from_the_weights_of_another_state():
    trainer = trainer_of()
    later = trainer.advance(trainer.start(), 5)
    slow = trainer_of(optimizer="adam", learning_rate=1e-3)
    state = slow.start(later.weights)
    assert (state.step, set(state.slots)) == (0, {"first_moment", "second_moment"})
    assert slow.loss(state) == trainer.loss(later)
    assert nb.training.Trainer is Trainer


def test_a_state_is_loaded_without_tensorflow(tmp_path):
    state = trainer_of().start()
    state.save(tmp_path / "state")
    code = "import sys, ntkbench as nb; print(nb.training.load(sys.argv[1]).weights.sum(), 'tensorflow' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "state")], check=True, capture_output=True, text=True, timeout=60
    )
    assert found.stdout.split() == [str(state.weights.sum()), "False"]
