"""The benchmarks run (tiny sizes, no peers), write what they say, and README shows what was stored."""

from __future__ import annotations

import json
import math
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NAMES = ["ntk", "hessian", "hessian_jobs", "growth", "infinite"]
WHOLE_RUNS = {
    "overhead": {"executors", "resume_seconds", "table_seconds"},
    "executors": {"executors", "ratios"},
    "main_job": {"versions", "turns"},
    "soak": {"faults", "commands", "seconds", "equal"},
}
STORED = sorted((BENCHMARKS / "results").glob("*.json"))


def command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, timeout=280)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The results of every benchmark in its quick mode, each run once and when it is first asked for."""
    folder = tmp_path_factory.mktemp("results")

    def result(name):
        path = folder / f"{name}.json"
        if not path.exists():
            done = command(BENCHMARKS / f"{name}.py", "--quick", "--no-peers", "--out", folder)
            assert done.returncode == 0, done.stderr
            assert done.stdout.strip() == str(path)
        return json.loads(path.read_text(encoding="utf-8"))

    result.folder = folder
    return result


def check_schema(result, name):
    """Assert that a result has all that README.md is rendered from, and that its figures follow from the times."""
    assert (result["benchmark"], result["schema"]) == (name, 1)
    assert result["machine"]["cpu"] and result["machine"]["cores"] >= 1 and result["machine"]["memory_gib"] > 0
    assert result["versions"]["ntkbench_engine"].keys() == {"ntkbench", "tensorflow", "keras", "numpy"}
    assert result["cases"]
    for case in result["cases"]:
        assert case["n"] > 0 and case["parameters"] > 0 and case["outputs"] > 0 and case["net"]
        for entry in case["competitors"]:
            if entry["status"] == "ok":
                assert entry["seconds"] and all(s > 0 for s in entry["seconds"])
                assert entry["median"] == pytest.approx(statistics.median(entry["seconds"]), rel=1e-4)
                assert entry["first_seconds"] > 0 and entry["work"] >= 1
            else:
                assert entry["status"] in ("absent", "gave up") and entry["message"]
                assert entry["median"] is None
            if entry["idle_cpu_share"] is not None:
                assert entry["idle_cpu_share"] < 0.1, f"{entry['name']} burns the processor while others are timed"
        assert all(ratio is None or (math.isfinite(ratio) and ratio > 0) for ratio in case["ratios"].values())


def check_whole_runs(result, name):
    """Assert that a result of whole runs has all that README.md is rendered from."""
    assert (result["benchmark"], result["schema"]) == (name, 1)
    assert result["machine"]["cpu"] and result["versions"]["runs"].keys() >= {"ntkbench", "tensorflow", "distributed"}
    assert result["cases"]
    for case in result["cases"]:
        assert case["name"] and case["cells"] > 0 and case.keys() >= WHOLE_RUNS[name]


@pytest.mark.parametrize("name", WHOLE_RUNS)
@pytest.mark.slow
def test_quick_mode_of_whole_runs(tmp_path, name):
    done = command(BENCHMARKS / f"{name}.py", "--quick", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(tmp_path / f"{name}.json")
    result = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    check_whole_runs(result, name)
    if name == "executors":
        assert all(each["difference"] < 1e-5 for case in result["cases"] for each in case["executors"].values())
    if name == "soak":
        assert all(case["equal"] for case in result["cases"])
    shutil.copy(BENCHMARKS / "README.md", tmp_path / "README.md")
    options = ["--results", tmp_path, "--readme", tmp_path / "README.md"]
    assert command(BENCHMARKS / "readme.py", *options).returncode == 0
    assert f"| `{result['cases'][0]['name']}` |" in (tmp_path / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_quick_mode_without_peers_writes_the_schema(results, name):
    result = results(name)
    check_schema(result, name)
    assert result["quick"] is True
    for case in result["cases"]:
        for entry in case["competitors"]:
            peer = entry["name"].startswith(("neural-tangents", "curvlinops"))
            assert entry["status"] == ("absent" if peer else "ok"), entry["message"]


@pytest.mark.slow
def test_competitors_compute_the_same_kernel(results):
    for case in results("ntk")["cases"]:
        ours, jacobian, *_ = case["competitors"]
        assert ours["difference"] == 0.0
        assert jacobian["difference"] < 1e-5
        assert case["ratios"]["over_own_jacobian"] == pytest.approx(ours["median"] / jacobian["median"], rel=1e-4)
        assert case["ratios"]["over_neural_tangents_fastest"] is None


@pytest.mark.slow
def test_competitors_compute_the_same_norm_and_memory_is_measured(results):
    speed, memory = results("hessian")["cases"]
    ours = speed["competitors"][0]
    lanczos = [entry for entry in speed["competitors"] if entry["name"].startswith("HVP-Lanczos")]
    assert len(lanczos) == 2 and all(entry["difference"] < 2e-3 for entry in lanczos)
    assert ours["work"] >= speed["n"] * ours["detail"]["iterations"]
    per_product = ours["median"] / ours["work"]
    expected = lanczos[0]["median"] / lanczos[0]["work"] / per_product
    assert speed["ratios"]["hvp_lanczos_over_hessian_norm"] == pytest.approx(expected, rel=1e-3)
    found = memory["memory_gib"]
    assert 0 < found["before"] <= found["peak"]
    assert found["growth"] == pytest.approx(found["peak"] - found["before"], abs=1e-4)


@pytest.mark.slow
def test_a_competitor_over_a_limit_is_given_up_and_the_others_go_on(tmp_path):
    words = ["--quick", "--no-peers", "--case", "relu", "--memory-gib", "0.01", "--out", tmp_path]
    done = command(BENCHMARKS / "ntk.py", *words)
    assert done.returncode == 0, done.stderr
    (case,) = json.loads((tmp_path / "ntk.json").read_text(encoding="utf-8"))["cases"]
    assert {entry["status"] for entry in case["competitors"]} == {"gave up", "absent"}
    assert all("GiB of memory" in e["message"] for e in case["competitors"] if e["status"] == "gave up")


@pytest.mark.slow
def test_readme_shows_the_figures_of_the_results(results, tmp_path):
    shutil.copy(BENCHMARKS / "README.md", tmp_path / "README.md")
    for name in NAMES:
        results(name)
    options = ["--results", results.folder, "--readme", tmp_path / "README.md"]
    assert command(BENCHMARKS / "readme.py", "--check", *options).returncode == 1
    assert command(BENCHMARKS / "readme.py", *options).returncode == 0
    assert command(BENCHMARKS / "readme.py", "--check", *options).returncode == 0
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        for case in results(name)["cases"]:
            rows = [line for line in text.splitlines() if line.startswith(f"| `{case['name']}` |")]
            cells = {cell.strip() for row in rows for cell in row.split("|")}
            assert {f"{ratio:.3g}" for ratio in case["ratios"].values() if ratio} <= cells
            if case["ratios"]:
                first = case["competitors"][0]
                per = 1 if name in ("ntk", "infinite", "hessian_jobs") else first["work"]
                assert f"{1e3 * first['median'] / per:.3g}" in cells
            else:
                assert f"{case['memory_gib']['peak']:.2f}" in cells


def test_readme_is_rendered_from_the_stored_results():
    done = command(BENCHMARKS / "readme.py", "--check")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_stored_results_are_full_runs_with_the_schema(path):
    result = json.loads(path.read_text(encoding="utf-8"))
    (check_whole_runs if path.stem in WHOLE_RUNS else check_schema)(result, path.stem)
    assert result["quick"] is False
