"""One page of pictures of a training: velocity, distances, weights and patterns, and the heat map of S."""

import numpy as np

import ntkbench as nb

from .distances import output_distance, pattern_distance


def plot(track, path, title=""):
    """Draw one training and write it to a .png, .svg or .pdf file.

    Four panels: the kernel velocity; the kernel distances to the start and to the end; the changes of weights,
    activation pattern and outputs; and the heat map of the kernel distances S between all snapshots.

    Args:
        track: A `Track`. What is missing in its folder is computed.
        path: The file.
        title: Title of the page.

    Returns:
        The matplotlib figure.
    """
    from matplotlib.figure import Figure

    times, s = [track.epoch(step) for step in track.steps], track.distances()
    velocities = track.velocities()
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    figure.suptitle(title)
    (first, second), (third, fourth) = figure.subplots(2, 2)
    first.plot(list(velocities), list(velocities.values()), "o-", markersize=3)
    first.set(xlabel="epoch", ylabel="S per epoch", title=f"kernel velocity, dt = {track.dt:g} epochs", yscale="log")
    second.plot(times, s[0], "o-", markersize=3, label="to the start")
    second.plot(times, s[-1], "o-", markersize=3, label="to the end")
    second.set(xlabel="epoch", ylabel="S", title="kernel distance", ylim=(0, None))
    for label, values in _changes(track).items():
        third.plot(times, values, "o-", markersize=3, label=label)
    third.set(xlabel="epoch", ylabel="change since the start", title="weights, patterns and outputs", ylim=(0, None))
    for axes in (second, third):
        axes.legend(frameon=False)
    for axes in (first, second, third):
        axes.set_xscale("symlog", linthresh=max(track.dt, 1e-9))
        axes.set_xlim(0, None)
        axes.grid(alpha=0.3)
    image = fourth.imshow(s, origin="lower", vmin=0, cmap="viridis")
    shown = np.unique(np.linspace(0, len(times) - 1, min(len(times), 7)).round().astype(int))
    labels = [f"{times[each]:.3g}" for each in shown]
    fourth.set(xticks=shown, xticklabels=labels, yticks=shown, yticklabels=labels)
    fourth.set(xlabel="epoch", ylabel="epoch", title="kernel distance S between snapshots")
    figure.colorbar(image, ax=fourth)
    figure.savefig(path, dpi=150)
    return figure


def _changes(track):
    """Return relative changes of weights, shares of changed pattern entries and relative distances of outputs."""
    start, end = track.steps[0], track.steps[-1]
    weights = [track.state(step).weights.astype(np.float64) for step in track.steps]
    found = {"‖w − w0‖/‖w0‖": [nb.relative_change(each, weights[0]) for each in weights] if weights[0].any() else None}
    if track.pattern(start) is not None:
        found["flipped units"] = [pattern_distance(track.pattern(step), track.pattern(start)) for step in track.steps]
    before, after = track.outputs(start), track.outputs(end)
    if after.any():
        found["‖f − f0‖/‖fT‖"] = [output_distance(track.outputs(step) - before + after, after) for step in track.steps]
    return {label: values for label, values in found.items() if values is not None}
