"""Runs at infinite width, end to end: limits of architectures, registered kernels, resume, tables and exports."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import ntkbench as nb
from ntkbench import kernels as k
from ntkbench.cli.main import main
from ntkbench.plan.data import load_data
from ntkbench.registry.current import registry, use
from ntkbench.registry.manager import Registry
from ntkbench.report.figure import figure
from ntkbench.report.page import report_page
from ntkbench.runner import worker as working
from ntkbench.store.frame import frame as frame_of
from ntkbench.types import Quantity, Status

SMALL = {"seeds": 2, "probes": 4, "device": "cpu"}


def known():
    """A copy of the registry for entries of a test's own."""
    return registry().with_architectures({})


def value(run, label, key, seed=0):
    (found,) = [
        result.values[key].value
        for result in run.results
        if result.cell.label == label and result.cell.infinite and result.cell.seed == seed and key in result.values
    ]
    return found


def probes(seed, n=4):
    return load_data(registry().datasets["digits"], {}, form="vector", n=n, seed=seed)[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("infinity") / "run"
    return nb.run(
        ["fc:activation=relu", "fc-square-output", "rbf"],
        widths=[8, 16, math.inf],
        measure=["kernel", "gradient_norm"],
        out=out,
        **SMALL,
    )


def test_the_limit_is_that_of_the_layers(run):
    kernel = k.named("fully-connected", activation="relu")
    for seed in (0, 1):
        x = probes(seed).astype(np.float32).astype(np.float64)
        values = np.linalg.eigvalsh(kernel.matrix(x))
        assert value(run, "fc:activation=relu", "lambda_min", seed) == pytest.approx(values[0], rel=1e-9)
        assert value(run, "fc:activation=relu", "condition", seed) == pytest.approx(values[-1] / values[0], rel=1e-9)
        norm = np.sqrt(np.mean(np.diag(kernel.matrix(x))))
        assert value(run, "fc:activation=relu", "gradient_norm", seed) == pytest.approx(norm, rel=1e-9)


def test_a_kernel_exists_at_infinity_only(run):
    assert {r.cell.width for r in run.results if r.cell.label == "rbf"} == {math.inf}
    x = probes(1)
    squares = ((x[:, None] - x) ** 2).sum(-1)
    expected = np.linalg.eigvalsh(np.exp(-squares / (2 * x.shape[1])))[0]
    assert value(run, "rbf", "lambda_min", seed=1) == pytest.approx(expected, rel=1e-5)


def test_what_has_no_limit_is_unsupported_with_the_reason(run):
    found = [r for r in run.results if r.cell.label == "fc-square-output" and r.cell.infinite]
    assert {r.status for r in found} == {Status.UNSUPPORTED} and len(found) == 4
    assert all("non-linear output" in r.message and not r.traceback for r in found)


def test_frames_and_exports_hold_infinity(run, tmp_path, capsys):
    frame = run.frame()
    assert frame["width"].dtype == "float64" and set(frame["width"]) == {8.0, 16.0, math.inf}
    finite = [result for result in run.results if not result.cell.infinite]
    assert frame_of(finite)["width"].dtype == "int64"
    assert main(["export", str(run.path), "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["width"] for row in rows} == {8, 16, "inf"}
    assert main(["export", str(run.path), "--format", "csv", "-o", str(tmp_path / "run.csv")]) == 0
    assert main(["export", str(run.path), "--format", "parquet", "-o", str(tmp_path / "run.parquet")]) == 0
    for read in (pandas.read_csv(tmp_path / "run.csv"), pandas.read_parquet(tmp_path / "run.parquet")):
        np.testing.assert_array_equal(read["width"], frame["width"])


def test_tables_laws_and_pages(run):
    text = run.table(["gradient_norm", "lambda_min"]).text()
    assert "8…16 │ ∞" in text and "│: value at infinite width" in text
    row = next(line for line in text.splitlines() if "8…16 │ ∞" in line)
    assert f"│ {value(run, 'fc:activation=relu', 'gradient_norm'):.3g}" in row
    assert max(map(len, text.splitlines())) <= 100
    record = next(r for r in run.table(["gradient_norm"]).to_json()["rows"] if r["label"] == "rbf")
    assert record["widths"] == ["inf"] and record["quantities"]["gradient_norm"]["limit"] == pytest.approx(1)
    assert set(run.fits()["architecture"]) == {"fc", "fc-square-output"}
    page = report_page(run.results, run.manifest)
    assert 'class="level' in page and "rbf at infinite width: 1.00" in page and "8…16 │ ∞" in page


def test_figures_mark_the_limit(run, tmp_path):
    run.plot(tmp_path / "with.svg", ["gradient_norm"])
    figure([r for r in run.results if not r.cell.infinite], tmp_path / "without.svg", run.manifest, ["gradient_norm"])
    texts = [(tmp_path / f"{name}.svg").read_text() for name in ("with", "without")]
    assert ["<!-- rbf -->" in text for text in texts] == [True, False]
    assert ["marks at the right: infinite width" in text for text in texts] == [True, False]


def test_resuming_measures_nothing_again(run, monkeypatch):
    def fail(*_, **__):
        raise AssertionError("measured again")

    monkeypatch.setattr(working.GroupWorker, "measure", fail)
    again = nb.run(
        ["fc:activation=relu", "fc-square-output", "rbf"],
        widths="8,16,inf",
        measure=["kernel", "gradient_norm"],
        out=run.path,
        **SMALL,
    )
    assert len(again.results) == len(run.results) == 2 * (2 * 3 * 2 + 2)


def test_two_runs_with_limits_agree(run, capsys):
    assert main(["compare", str(run.path), str(run.path)]) == 0
    assert "agree in all common cells" in capsys.readouterr().out


def test_a_receipt_carries_limits_and_is_rerun(tmp_path, capsys):
    run = nb.run(
        ["fc", "rbf"], widths="8,16,inf", measure=["gradient_norm", "kernel_change_gd"], out=tmp_path / "run", **SMALL
    )
    boards = ["--boards", str(tmp_path)]
    assert main(["leaderboard", "submit", str(run.path), "--name", "limits", *boards]) == 0
    receipt = str(tmp_path / "submissions/limits.json")
    assert main(["leaderboard", "verify", receipt, "--cells", "all", *boards]) == 0, capsys.readouterr()
    assert "width inf" in capsys.readouterr().out


class TestPlans:
    """What is planned at infinite width."""

    @pytest.fixture
    def planned(self, capsys):
        def call(*words):
            code = main(["run", *words, "--seeds", "1", "--dry-run", "--json"])
            said = capsys.readouterr()
            return code, json.loads(said.out) if code == 0 else None, said.err

        return call

    def test_measurements_of_networks_skip_it_unless_named(self, planned):
        _, (fc,), err = planned("--arch", "fc", "--widths", "8,inf", "--measure", "all")
        _, (finite,), _ = planned("--arch", "fc", "--widths", "8", "--measure", "all")
        assert fc["cells"] == finite["cells"] + 2 and fc["widths"] == [8, "inf"]
        assert "infinite" not in err
        _, (fc,), _ = planned("--arch", "fc", "--widths", "8,inf", "--measure", "gd", "--measure", "all")
        assert fc["cells"] == finite["cells"] + 3

    def test_infinity_alone(self, planned):
        code, (fc,), _ = planned("--arch", "fc", "--widths", "inf", "--measure", "kernel")
        assert code == 0 and fc["widths"] == ["inf"] and fc["parameters"] == []

    def test_skipped_widths_of_a_kernel_are_a_note(self, planned):
        _, found, err = planned("--arch", "rbf", "--arch", "fc", "--widths", "8,16", "--measure", "kernel")
        assert [each["widths"] for each in found] == [["inf"], [8, 16]]
        assert "rbf: registered kernels exist only at infinite width; skipped for them: widths 8, 16." in err

    def test_nothing_to_measure_is_a_sentence(self, planned, registry_without):
        with use(registry_without):
            code, _, err = planned("--arch", "fc", "--widths", "inf", "--measure", "all")
        assert code == 2 and "Nothing is measured at infinite width" in err

    @pytest.fixture
    def registry_without(self):
        """The built-in entries, with measurements of networks only."""
        copy = Registry()
        copy._entries = {kind: dict(entries) for kind, entries in registry().everything().items()}
        for name in ("kernel", "gradient"):
            del copy._entries["measurements"][name]
        return copy

    def test_unknown_names_suggest_kernels(self, planned):
        code, _, err = planned("--arch", "lapalce", "--widths", "inf")
        assert code == 2 and "Did you mean 'laplace'?" in err


def test_a_named_measurement_of_networks_ends_with_a_sentence(tmp_path):
    run = nb.run("rbf", measure=["gd"], out=tmp_path / "run", **SMALL)
    assert {r.status for r in run.results} == {Status.UNSUPPORTED}
    assert {r.message for r in run.results} == {"'gd' measures a network, and there is none at infinite width."}


OWN = """
import keras
from ntkbench import layers

def net(*hidden):
    def build(width, *, input_shape, seed):
        sizes = [units(width) for units in hidden]
        dense = [layers.Dense(size, "tanh", seed=seed + i) for i, size in enumerate(sizes)]
        return keras.Sequential([keras.Input(input_shape), *dense, layers.Dense(1, seed=seed + 9), layers.Scale(2.0)])
    return build

grows = net(lambda width: width, lambda width: 3 * width)
stays = net(lambda width: width, lambda width: 24)
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    return f"{tmp_path / 'own.py'}:"


def test_the_limit_of_a_users_file_is_read_off_its_model(own, tmp_path):
    run = nb.run([own + "grows", own + "stays"], widths="inf", measure=["kernel"], out=tmp_path / "run", **SMALL)
    x = probes(0).astype(np.float32).astype(np.float64)
    hidden = [k.Dense(), k.Activation("tanh")] * 2
    expected = np.linalg.eigvalsh(k.InfiniteWidth([*hidden, k.Dense(), k.Scale(2.0)]).matrix(x))[0]
    assert value(run, "own.py:grows", "lambda_min") == pytest.approx(expected, rel=1e-9)
    stays = [r for r in run.results if r.cell.label == "own.py:stays"]
    assert {r.status for r in stays} == {Status.UNSUPPORTED}
    assert all("same number of units at every width" in r.message and "(24)" in r.message for r in stays)


def test_a_broken_file_is_refused_before_the_run_at_infinity_too(own, tmp_path):
    (tmp_path / "own.py").write_text("def build(width): return 3")
    with pytest.raises(nb.NtkbenchError, match=r"built a int; a build function must return"):
        nb.run(own + "build", widths="inf", measure=["kernel"], out=tmp_path / "run", **SMALL)


def test_a_saved_model_has_a_limit(own, tmp_path):
    space = {}
    exec(OWN, space)
    space["grows"](8, input_shape=(61,), seed=1).save(tmp_path / "net.keras")
    run = nb.run(str(tmp_path / "net.keras"), widths="64,inf", measure=["kernel"], out=tmp_path / "run", **SMALL)
    assert [r.cell.width for r in run.results if r.cell.seed == 0] == [1, math.inf]
    again = nb.run(own + "grows", widths="inf", measure=["kernel"], out=tmp_path / "other", **SMALL)
    assert value(run, "net.keras", "lambda_min") == pytest.approx(value(again, "own.py:grows", "lambda_min"), rel=1e-9)
    assert "saved model │ ∞" in run.table(["lambda_min"]).text()


class TestPlugins:
    """Limits, kernels and measurements from elsewhere, by public hooks only."""

    @pytest.fixture
    def mine(self):
        with use(known()) as own:
            yield own

    def test_a_declared_limit_is_computed_once_for_all_seeds(self, mine, tmp_path):
        made = []

        def limit(*, input_shape, depth):
            made.append((input_shape, depth))
            return k.InfiniteWidth([k.Dense(), k.Activation("erf"), k.Dense(weight_std=depth)])

        def build(width, *, depth):
            raise AssertionError("no model is needed")

        mine.register("architectures", "own", build, distribution="acme", limit=limit, params={"depth": 2})
        run = nb.run("own", widths=[math.inf], measure=["kernel"], out=tmp_path / "run", **SMALL)
        assert made == [((61,), 2)]
        x = probes(0).astype(np.float32).astype(np.float64)
        expected = np.linalg.eigvalsh(limit(input_shape=None, depth=2).matrix(x))[0]
        assert value(run, "own", "lambda_min") == pytest.approx(expected, rel=1e-9)

    def test_an_error_of_a_limit_is_a_failed_cell(self, mine, tmp_path):
        def limit():
            raise ZeroDivisionError("division by zero")

        def none():
            raise k.NoLimit("Depth 0 has no limit.")

        mine.register("architectures", "bad", lambda width: None, distribution="acme", limit=limit)
        mine.register("architectures", "none", lambda width: None, distribution="acme", limit=none)
        mine.register("kernels", "number", lambda: 3, distribution="acme")
        run = nb.run(["bad", "none", "number"], widths="inf", measure=["kernel"], out=tmp_path / "run", **SMALL)
        status = {r.cell.label: (str(r.status), r.message) for r in run.results}
        assert status["bad"][0] == "failed" and "ZeroDivisionError" in status["bad"][1]
        assert status["none"] == ("unsupported", "Depth 0 has no limit.")
        assert status["number"][0] == "failed" and "it must be a tfp.math.psd_kernels kernel" in status["number"][1]

    def test_ctrl_c_in_a_limit_stops_the_run_and_keeps_cells(self, mine, tmp_path):
        def limit():
            raise KeyboardInterrupt

        mine.register("kernels", "stop", limit, distribution="acme")
        with pytest.raises(KeyboardInterrupt):
            nb.run(["rbf", "stop"], measure=["kernel"], out=tmp_path / "run", **SMALL)
        assert len(nb.load(tmp_path / "run").results) == 2

    def test_a_kernel_of_nests_gets_the_nest(self, mine, tmp_path):
        class Mean(tfp.math.psd_kernels.PositiveSemidefiniteKernel):
            """Inner products of the mean steps of masked sequences."""

            def __init__(self):
                super().__init__({"values": 2, "mask": 1}, dtype={"values": None, "mask": tf.bool}, name="Mean")

            def _mean(self, x):
                mask = tf.cast(x["mask"], x["values"].dtype)[..., None]
                return tf.reduce_sum(x["values"] * mask, -2) / tf.reduce_sum(mask, -2)

            def _apply(self, x1, x2, example_ndims=0):
                return tf.reduce_sum(self._mean(x1) * self._mean(x2), -1)

        seen = []

        def measure(ctx):
            seen.append(ctx)
            return {"trace": float(np.trace(ctx.kernel))}

        mine.register("kernels", "mean", Mean, distribution="acme", inputs="ragged")
        mine.register(
            "measurements", "mine", measure, distribution="acme", quantities=[Quantity("trace", "t")], at_infinity=True
        )
        run = nb.run(["mean"], measure=["mine", "kernel"], out=tmp_path / "run", **SMALL)
        assert {r.status for r in run.results} == {Status.OK}
        x, _ = load_data(registry().datasets["digits"], {}, form="ragged", n=4, seed=0)
        means = np.array([v[m].mean(0) for v, m in zip(x["values"], x["mask"], strict=True)])
        assert value(run, "mean", "trace") == pytest.approx((means**2).sum(), rel=1e-5)
        assert seen[0].x["mask"].dtype == tf.bool and seen[0].x["values"].dtype == tf.float32
        assert seen[0].kernel.dtype == np.float64

    def test_whole_numbers_are_inputs(self, mine, tmp_path):
        def load(*, form, n, seed):
            return np.random.default_rng(seed).integers(-9, 9, (n, 5)), np.ones(n)

        mine.register("datasets", "whole", load, distribution="acme", forms=["vector"])
        run = nb.run("rbf", measure=["kernel"], dataset="whole", out=tmp_path / "run", **SMALL)
        x = load(form="vector", n=4, seed=0)[0]
        squares = ((x[:, None] - x) ** 2).sum(-1)
        assert value(run, "rbf", "lambda_min") == pytest.approx(np.linalg.eigvalsh(np.exp(-squares / 10))[0], rel=1e-9)

    def test_a_measurement_may_draw_and_read_the_context(self, mine, tmp_path):
        seen = {}

        def measure(ctx):
            seen[ctx.seed] = ctx
            return {"own": float(ctx.rng.random()), "trace": float(np.trace(ctx.limit.nngp.matrix(ctx.x)))}

        quantities = [Quantity("own", "o"), Quantity("trace", "t")]
        mine.register("measurements", "mine", measure, distribution="acme", quantities=quantities, at_infinity=True)
        run = nb.run("rbf", measure=["mine"], out=tmp_path / "run", **SMALL)
        assert [value(run, "rbf", "trace", seed) for seed in (0, 1)] == pytest.approx([4, 4])
        assert value(run, "rbf", "own", 0) != value(run, "rbf", "own", 1)
        ctx = seen[1]
        assert ctx.width == math.inf and ctx.precision == "float32" and ctx.architecture.name == "rbf"
        assert ctx.x.shape == (4, 61) and ctx.y.shape == (4,) and ctx.quantities == {"own", "trace"}
        assert seen[0].limit is seen[1].limit
