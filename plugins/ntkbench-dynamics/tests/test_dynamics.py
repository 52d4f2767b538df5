"""The measurement `dynamics`: ntkbench's checks, its definition, and that a kill loses one snapshot."""

import keras
import numpy as np
import pytest

import ntkbench as nb
import ntkbench_dynamics as dyn
from ntkbench.testing import DatasetChecks, MeasurementChecks
from ntkbench.types import Settings
from ntkbench_dynamics import track as track_module
from ntkbench_dynamics.track import kept, thinned


class TestDynamics(MeasurementChecks):
    measurement = "dynamics"
    settings = Settings(n_probes=4, ball_probes=4, draws=2, max_steps=16)


def network(seed=1, width=16):
    layers = [nb.layers.Dense(width, "relu", seed=seed), nb.layers.Dense(3, seed=seed + 1)]
    return keras.Sequential([keras.Input((8,)), *layers])


def track(folder, model, **options):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 8))
    y = np.eye(3)[np.argmax(x[:, :3], axis=1)]
    trainer = nb.training.Trainer(model, x, y, learning_rate=0.05, momentum=0.9, batch_size=6, **options)
    return dyn.Track(trainer, model, x[:5], 60, folder)


def test_snapshots_are_pairs_on_a_logarithmic_scale(tmp_path):
    assert thinned(1) == [0] and thinned(3) == [0, 1, 2]
    assert thinned(50) == [0, 1, 2, 3, 4, 5, 8, 11, 16, 22, 32, 45, 49]
    found = track(tmp_path, network())
    assert found.interval == 4 and found.dt == 0.4 and found.steps[-1] == 60
    assert set(found.steps) == {step + more for step in found.pairs for more in (0, 4)}
    assert list(found.velocities()) == [step / 10 for step in found.pairs]


def test_a_snapshot_is_the_state_of_an_undisturbed_training(tmp_path):
    model = network()
    found = track(tmp_path, model)
    assert found.state(60) == found.trainer.advance(found.trainer.start(), 60)
    np.testing.assert_array_equal(found.distances().diagonal(), 0)
    before = model.get_weights()
    found.kernel(60)
    for each, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(each, other)
    pair = found.kernel(0), found.kernel(4)
    np.testing.assert_allclose(found.velocities()[0.0], nb.kernel_distance(*pair) / 0.4)
    np.testing.assert_allclose(found.distances()[0, 1], nb.kernel_distance(*pair))


def test_only_what_is_lost_is_computed_again(tmp_path, monkeypatch):
    first = track(tmp_path, network())
    velocities, distances = first.velocities(), first.distances()
    for name in ("state-32.npz", "kernel-32.npz"):
        (tmp_path / name).unlink()
    (tmp_path / "kernel-32.partial").write_bytes(b"half of it")
    calls = []
    monkeypatch.setattr(track_module, "gram", lambda *given: calls.append("gram") or dyn.gram(*given))
    again = track(tmp_path, network())
    advance = again.trainer.advance
    monkeypatch.setattr(again.trainer, "advance", lambda state, n: calls.append(n) or advance(state, n))
    assert again.velocities() == velocities
    np.testing.assert_array_equal(again.distances(), distances)
    before = max(step for step in again.steps if step < 32)
    assert calls == [32 - before, "gram"]


def test_the_folder_of_another_training_is_refused(tmp_path):
    first = track(tmp_path, network())
    assert track(tmp_path, network()).steps == first.steps
    for model, options in ((network(seed=5), {}), (network(), {"order_seed": 3}), (network(), {"schedule": "cosine"})):
        if options.get("schedule"):
            options["total_steps"] = 60
        with pytest.raises(nb.NtkbenchError, match="another start"):
            track(tmp_path, model, **options)


def test_a_file_is_written_whole(tmp_path):
    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path / "a.npz", fail)
    assert list(tmp_path.iterdir()) == []
    assert kept(tmp_path / "a.npz", lambda: {"v": 1.5})["v"] == 1.5
    assert kept(tmp_path / "a.npz", fail)["v"] == 1.5
    assert [each.name for each in tmp_path.iterdir()] == ["a.npz"]


def test_a_network_linear_in_its_weights_does_not_move(tmp_path):
    model = keras.Sequential([keras.Input((8,)), nb.layers.Dense(3, seed=0)])
    found = track(tmp_path, model)
    np.testing.assert_allclose(found.distances(), 0, atol=1e-12)


def test_the_heat_map_holds_the_distances_of_all_pairs(tmp_path):
    from ntkbench.analysis.heat_maps import _square
    from ntkbench_dynamics.measurement import pairs

    s = track(tmp_path, network()).distances()
    np.testing.assert_array_equal(_square(pairs(s).y), s)


class TestParity(DatasetChecks):
    dataset = "parity"


def test_parity_is_the_product_of_two_signs():
    from ntkbench_dynamics import parity

    x, y = parity.load(form="vector", n=20, seed=3, d=7)
    assert x.shape == (20, 7) and set(np.unique(x)) == {-1, 1}
    np.testing.assert_array_equal(y, x[:, 0] * x[:, 1])
    task = parity.load_task(form="vector", seed=3)
    for x, labels in (task.train, task.test):
        assert x.shape == (500, 40)
        np.testing.assert_array_equal(2 * labels - 1, x[:, 0] * x[:, 1])
