"""The evaluation of the public code with its defects."""

import numpy as np
import pytest

import ntkbench as nb
from ntkbench_recurrent import archives, as_published, reference, tables


def test_each_defect_takes_settings_away():
    sizes = {defects: len(as_published.grid(defects)) for defects in [(), ("bias",), ("selection",), ("average",)]}
    assert list(sizes.values()) == [96, 48, 16, 96]
    assert len(as_published.grid(as_published.DEFECTS)) == 8
    assert all(each["frozen"] == each["depth"] for each in as_published.grid(("selection",)))


def test_the_average_counts_the_last_state_twice():
    """(Θ_1 + … + Θ_T + Θ_T)/T, where Θ_t is the kernel of the first t steps."""
    x = np.random.default_rng(0).normal(size=(3, 4, 1)) / 3
    params = {"weight_std": 1.4142, "input_std": 0.5, "bias_std": 0.1, "depth": 2}
    setting = {**params, "frozen": 0, "pooling": "untied", "direction": "forward"}
    until = [reference.matrix(x[:, :t], **params) for t in (1, 2, 3, 4)]
    for defects, expected in ((("average",), sum(until) + until[-1]), ((), sum(until))):
        ((_, found),) = as_published._matrices(x, [setting], None, defects)
        np.testing.assert_allclose(found, expected / 4, rtol=1e-6, atol=1e-9)


def test_a_table_is_evaluated_on_its_official_splits(tmp_path, monkeypatch):
    """Two classes that lie far apart are classified correctly with and without the defects."""
    monkeypatch.setenv(tables.UCI_FOLDER, str(tmp_path))
    monkeypatch.setattr(archives, "known_contents", dict)
    tables.read_uci.cache_clear()
    rng = np.random.default_rng(0)
    rows = [(rng.normal(size=2) / 4 + 2 * (i % 2) - 1, i % 2) for i in range(24)]
    (tmp_path / "zoo").mkdir()
    text = "".join(f"{i}\t{a}\t{b}\t{c}\n" for i, ((a, b), c) in enumerate(rows))
    (tmp_path / "zoo/zoo_R.dat").write_text("\tf1\tf2\tclase\n" + text)
    split = " ".join(map(str, range(16))) + "\n" + " ".join(map(str, range(16, 24))) + "\n"
    (tmp_path / "zoo/conxuntos_kfold.dat").write_text(split * 4)
    (tmp_path / "zoo/conxuntos.dat").write_text(split)
    assert as_published.accuracy("zoo") == as_published.accuracy("zoo", defects=()) == 1
    with pytest.raises(nb.NtkbenchError, match="Unknown defect 'all'"):
        as_published.accuracy("zoo", defects=("all",))
    tables.read_uci.cache_clear()
