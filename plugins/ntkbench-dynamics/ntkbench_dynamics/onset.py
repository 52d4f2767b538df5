"""The measurement `onset`: how far linear and slow training get from the snapshots of a training."""

import ntkbench as nb
from ntkbench.errors import Unsupported

from .basin import linearized
from .probing import linear_probe
from .track import assigned, kept
from .training import Training

ONSETS = (0.0, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8)  # epochs
EARLY = 3.2  # epochs
SLOWER = 10  # factor between the learning rates


def measure(ctx):
    """Return test errors of what is trained from the snapshots at epochs 0, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8 and the end.

    From each snapshot, and for as many steps as training has, at a tenth of its learning rate: the network linearised
    there, and, as a control, the network itself. The linear probe is fitted to the features of the snapshot; see
    `linear_probe`. The advantage is the error of the linearised network minus that of the control. `Training` has the
    other settings.

    Raises:
        Unsupported: The test labels are constant, so that no test error is defined.

    Source: Fort et al. 2020 (arXiv 2010.15110), sections 6 and 7.
    """
    training = Training(ctx)
    if training.error_of(ctx.task.test)(training.track.state(0).weights) is None:
        raise Unsupported("The test labels are constant, so no test error is defined.")
    end = training.track.steps[-1]
    times = [*training.times(ONSETS), end]
    found = {}
    for step in times:
        ctx.report(f"linear and slow training, {training.track.place(step)}")
        found[step] = _at(ctx, training, step)
    early = max(step for step in times if step <= round(EARLY * training.trainer.steps_per_epoch))
    numbers = {
        "test_error_linearized_initial": found[0]["linear"],
        "test_error_linearized_early": found[early]["linear"],
        "test_error_slow_initial": found[0]["slow"],
        "test_error_slow_early": found[early]["slow"],
        "test_advantage_initial": found[0]["linear"] - found[0]["slow"],
        "test_advantage_early": found[early]["linear"] - found[early]["slow"],
        "test_error_network": training.error_of(ctx.task.test)(training.track.state(end).weights),
        "test_error_probe_initial": found[0].get("probe"),
        "test_error_probe_trained": found[end].get("probe"),
        "onset_early_epoch": training.track.epoch(early),
    }
    epochs = [training.track.epoch(step) for step in times]
    curves = {
        "test_error_linearized_by_onset": [found[step]["linear"] for step in times],
        "test_error_slow_by_onset": [found[step]["slow"] for step in times],
        "test_advantage_by_onset": [found[step]["linear"] - found[step]["slow"] for step in times],
    }
    if all("probe" in each for each in found.values()):
        curves["test_error_probe_by_onset"] = [found[step]["probe"] for step in times]
    return numbers | {name: nb.Curve(epochs, values) for name, values in curves.items()}


def _at(ctx, training, step):
    """Return the test errors at a snapshot: "linear", "slow", and "probe" if the network has features."""
    state, part = training.track.state(step), ctx.task.test
    steps, options = training.track.steps[-1], training.options | {"learning_rate": training.rate / SLOWER}

    def linear():
        trainer, last = linearized(ctx.network, training.x, training.y, state, steps, **options)
        return {"error": training.error(trainer.outputs(last, part[0]), part)}

    def slow():
        trainer = nb.training.Trainer(ctx.network, training.x, training.y, **options)
        last = trainer.advance(trainer.start(state.weights), steps)
        return {"error": training.error(trainer.outputs(last, part[0]), part)}

    def probe():
        with assigned(training.trainer, state):
            outputs = linear_probe(training.model, training.x, ctx.task.targets(ctx.task.train[1]), part[0])
        return {} if outputs is None else {"error": ctx.task.error(outputs, part[1])}

    found = {}
    for name, of in (("linear", linear), ("slow", slow), ("probe", probe)):
        value = kept(training.track.folder / f"{name}-{step}.npz", of)
        if value:
            found[name] = float(value["error"])
    return found
