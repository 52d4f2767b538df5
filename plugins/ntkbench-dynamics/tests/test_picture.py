"""The page of pictures shows the numbers of the track."""

import keras
import numpy as np

import ntkbench as nb
import ntkbench_dynamics as dyn


def test_the_page_shows_the_numbers(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 6)), rng.standard_normal((40, 2))
    layers = [nb.layers.Dense(8, "relu", seed=1), nb.layers.Dense(2, seed=2)]
    model = keras.Sequential([keras.Input((6,)), *layers])
    trainer = nb.training.Trainer(model, x, y, learning_rate=0.1, batch_size=4)
    track = dyn.Track(trainer, model, x[:4], 40, tmp_path)
    figure = dyn.plot(track, tmp_path / "page.png", title="a network")
    assert (tmp_path / "page.png").stat().st_size > 20_000
    velocity, distance, changes, heat, _ = figure.axes
    np.testing.assert_array_equal(velocity.lines[0].get_ydata(), list(track.velocities().values()))
    s = track.distances()
    np.testing.assert_array_equal(distance.lines[0].get_ydata(), s[0])
    np.testing.assert_array_equal(distance.lines[1].get_ydata(), s[-1])
    np.testing.assert_array_equal(np.asarray(heat.images[0].get_array()), s)
    w = [track.state(step).weights for step in track.steps]
    right = [np.linalg.norm(each - w[0]) / np.linalg.norm(w[0]) for each in w]
    np.testing.assert_allclose(changes.lines[0].get_ydata(), right, rtol=1e-5)
    f = track.outputs(track.steps[0]), track.outputs(track.steps[-1])
    np.testing.assert_allclose(changes.lines[2].get_ydata()[-1], np.linalg.norm(f[1] - f[0]) / np.linalg.norm(f[1]))
