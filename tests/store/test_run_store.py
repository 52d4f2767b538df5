"""A run on disk: whole files only, resumed and extended without loss."""

from __future__ import annotations

import datetime
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from factories import cell, failed, finished, manifest, result, sweep

from ntkbench import atomic
from ntkbench.analysis.laws import all_laws
from ntkbench.api import load
from ntkbench.errors import NtkbenchError, RunStopped
from ntkbench.registry.specs import Architecture
from ntkbench.store import run_store
from ntkbench.store.cell_file import encode
from ntkbench.store.foreign_files import read_cell
from ntkbench.store.manifest import catalogue, new_manifest, theory
from ntkbench.store.run_store import RunStore
from ntkbench.types import Status, Theory


def filled(path, results):
    store = RunStore(path)
    store.create_or_open(manifest(results))
    for each in results:
        store.write(each)
    return store


def test_results_come_back_in_plan_order(tmp_path):
    results = sweep(widths=(16, 32), seeds=2)
    store = RunStore(tmp_path / "run")
    store.create_or_open(manifest(results))
    for each in random.Random(0).sample(results, len(results)):
        store.write(each)
    assert list(RunStore(tmp_path / "run").read()) == results


def test_without_a_manifest_the_order_is_still_fixed(tmp_path):
    results = [*sweep("resnet", widths=(32, 16), seeds=2), *sweep("fc", widths=(16, 8), seeds=2)]
    store = filled(tmp_path / "run", results)
    (tmp_path / "run" / "manifest.json").unlink()
    read = [each.cell for each in store.read()]
    assert len(read) == len(results)
    assert read == sorted(read, key=lambda c: (c.architecture, c.width, c.seed, c.measurement))


def test_only_ok_and_unsupported_are_finished(tmp_path):
    results = [failed(cell(seed=seed), status) for seed, status in enumerate(Status) if status != Status.OK]
    store = filled(tmp_path / "run", [*results, result(cell(seed=99))])
    unsupported = next(each.cell.key for each in results if each.status == Status.UNSUPPORTED)
    assert finished(store) == {unsupported, cell(seed=99).key}


def test_a_later_invocation_extends_the_run(tmp_path):
    first, second = manifest(sweep(widths=(16,))), manifest([*sweep(widths=(16, 32)), *sweep("cnn", widths=(8,))])
    first["settings"]["n_probes"] = 4
    store = RunStore(tmp_path / "run")
    store.create_or_open(first)
    created = store.manifest()["created"]
    merged = store.create_or_open(second)
    assert merged == store.manifest()
    assert merged["created"] == created
    assert merged["cells"][: len(first["cells"])] == first["cells"]
    assert set(merged["cells"]) == {*first["cells"], *second["cells"]} == set(merged["labels"])
    assert [each["settings"]["n_probes"] for each in merged["invocations"]] == [4, 8]
    assert set(merged["width_means"]) == {"fc", "cnn"}
    third = store.create_or_open(manifest([]))
    assert third["cells"] == merged["cells"] and len(third["invocations"]) == 3


def test_damaged_files_are_reported_and_the_others_read(tmp_path):
    results = sweep(widths=(16,), seeds=1)
    store = filled(tmp_path / "run", results)
    files = sorted(store.cells.iterdir())
    files[0].write_text("{")
    files[1].rename(store.cells / ("0" * 32 + ".json"))
    reader = RunStore(store.path)
    assert len(list(reader.read())) == len(results) - 2
    assert len(reader.problems) == 2 and all(str(store.cells) in problem for problem in reader.problems)
    assert len(finished(reader)) == len(results) - 2
    assert not store.aside.exists()  # a reader moves nothing


FOREIGN = {
    "empty": b"",
    "cut": encode(result()).encode()[:700],
    "binary": bytes(range(256)),
    "zeros": bytes(4096),
    "of another schema": encode(result()).replace('"schema_version": 2', '"schema_version": 99').encode(),
    "another cell's": encode(result(cell(seed=1))).encode(),
    "edited": encode(result()).replace("0.5", "0.6").encode(),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_holds_no_cell_is_set_aside_and_named(tmp_path, what):
    results = [result(cell(seed=seed)) for seed in range(3)]
    store = filled(tmp_path / "run", results)
    file = store.cells / f"{results[0].cell.key}.json"
    file.write_bytes(FOREIGN[what])
    store.close()

    again = RunStore(store.path)
    again.create_or_open(manifest(results))
    assert finished(again) == {each.cell.key for each in results[1:]}
    assert not file.exists()
    assert (again.aside / file.name).read_bytes() == FOREIGN[what]
    (sentence,) = again.set_aside()
    assert str(again.aside / file.name) in sentence
    again.write(results[0])
    assert list(again.read()) == results and not again.problems


def test_a_cell_of_another_run_is_no_cell_of_this_one(tmp_path):
    results = [result(cell(seed=seed)) for seed in range(2)]
    store = filled(tmp_path / "run", results[:1])
    store.write(results[1])
    assert list(store.read()) == results[:1]
    assert "belongs to another run: this run did not plan fc, width 64, seed 1, gradient" in store.problems[0]
    finished(store)
    assert [file.name for file in store.aside.iterdir()] == [f"{results[1].cell.key}.json"]
    store.create_or_open(manifest(results))
    assert "is a valid cell of this run" in store.set_aside()[0]


def test_a_folder_among_the_cells_is_set_aside(tmp_path):
    store = filled(tmp_path / "run", [result()])
    for number in range(3):
        (store.cells / f"{'0' * 32}.json").mkdir()
        (store.cells / f"{'0' * 32}.json" / str(number)).touch()
        assert finished(store) == {result().cell.key}
    assert {file.name for file in store.aside.iterdir()} == {f"{'0' * 32}{n}.json" for n in ("", ".2", ".3")}
    assert len(store.set_aside()) == 3


@pytest.mark.parametrize("name", ["cells", "set-aside", "workspace", ".lock"])
def test_what_takes_the_place_of_a_part_of_the_run_is_named(tmp_path, name):
    filled(tmp_path / "run", [result()]).close()
    place = tmp_path / "run" / name
    if name == ".lock":
        place.unlink(missing_ok=True)
        place.mkdir()
    else:
        shutil.rmtree(place, ignore_errors=True)
        place.write_text("")
    kind = "file" if name == ".lock" else "folder"
    with pytest.raises(NtkbenchError, match=rf"run/{name} is not a {kind}, but a run needs one of this name"):
        RunStore(tmp_path / "run").create_or_open(manifest([result()]))


def test_the_folder_of_damaged_cells_is_named_if_it_fails(tmp_path):
    store = filled(tmp_path / "run", [result()])
    (store.cells / f"{'0' * 32}.json").write_text("{")
    store.aside.write_text("")
    with pytest.raises(RunStopped, match="run/set-aside could not be written: "):
        store.take_stock()


def test_cells_whose_manifest_was_lost_are_planned_again(tmp_path):
    results = sweep(widths=(16, 32), seeds=2)
    store = filled(tmp_path / "run", results)
    (store.path / "manifest.json").unlink()
    store.create_or_open(manifest(results[:4]))
    assert store.manifest()["cells"][:4] == [each.cell.key for each in results[:4]]
    assert finished(store) == {each.cell.key for each in results} == set(store.manifest()["labels"])
    assert not store.problems


def test_leftovers_of_a_killed_writer_are_ignored_then_removed(tmp_path):
    results = sweep(widths=(16,), seeds=1)
    store = filled(tmp_path / "run", results)
    leftovers = [store.path / ".manifest.json.1.tmp", store.cells / f".{'0' * 32}.json.1.tmp"]
    for leftover in leftovers:
        leftover.write_text('{"half')
    assert len(list(store.read())) == len(results) and not store.problems
    RunStore(store.path).create_or_open(manifest(results))  # beside a store of this process that may be writing
    assert all(leftover.exists() for leftover in leftovers)
    store.close()
    store.create_or_open(manifest(results))
    assert not any(leftover.exists() for leftover in leftovers)


def test_a_directory_killed_at_its_creation_is_taken(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").touch()
    (tmp_path / "run" / ".manifest.json.1.tmp").write_text("{")
    RunStore(tmp_path / "run").create_or_open(manifest([result()]))


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_kill_leaves_only_whole_files(tmp_path):
    program = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from factories import *\nfrom ntkbench.store.run_store import RunStore\n"
        "store = RunStore(sys.argv[1]); store.create_or_open(manifest([]))\n"
        "seed = 0\n"
        "while True:\n"
        "    store.write(result(cell(seed=seed), message='x' * 100000)); seed += 1\n"
    )
    here = os.path.dirname(sys.modules["factories"].__file__)
    for delay in (0.0, 0.05):
        run = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "run"), here])
        store = RunStore(tmp_path / "run")
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and len(list(store.cells.glob("*.json"))) < 3:
            time.sleep(0.01)
        time.sleep(delay)
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert len(list(store.read())) >= 3 and not store.problems


def test_a_foreign_directory_is_refused_and_untouched(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    (tmp_path / ".thesis.tex.tmp").write_text("precious too")
    with pytest.raises(NtkbenchError, match="not empty and contains no run"):
        RunStore(tmp_path).create_or_open(manifest([]))
    assert sorted(file.name for file in tmp_path.iterdir()) == [".thesis.tex.tmp", "thesis.tex"]
    with pytest.raises(NtkbenchError, match="is a file"):
        RunStore(tmp_path / "thesis.tex").create_or_open(manifest([]))


def test_a_folder_with_a_manifest_of_something_else_is_refused_and_untouched(tmp_path):
    (tmp_path / "manifest.json").write_text('{"rules": 1, "files": {}}')
    for act in (lambda: RunStore(tmp_path).create_or_open(manifest([])), lambda: load(tmp_path)):
        with pytest.raises(NtkbenchError, match="contains no run: its manifest.json is not one that ntkbench"):
            act()
    assert [file.name for file in tmp_path.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"schema_version": 7}', "schema_version 7"),
        ('{"schema_version": 1, "cells": {}}', "'cells' is not a list"),
        ('{"schema_version": 1, "cells": [[]]}', "is not valid"),
        ('{"schema_version": 1, "theory": {"fc": {"hessian_norm": 3}}}', "is not valid"),
        (
            '{"schema_version": 1, "theory": {"fc": {"q": {"exponent": 0, "source": "us", "kind": "guess"}}}}',
            "is not valid",
        ),
        ('{"schema_version": 1, "quantities": {"gd": [{}]}}', "is not valid"),
        ('{"schema_version": 1, "labels": {"a": {}}}', r"is not valid .*labels"),
        ('{"schema_version": 1, "width_means": {"fc": []}}', r"is not valid .*width_means"),
        ('{"schema_version": 1, "code": {"fc": {"net.py": 1}}}', r"is not valid .*code"),
        ('{"schema_version": 1, "invocations": [{"command": 3}]}', r"is not valid .*command"),
        ('{"schema_version": 1, "provenance": {"cpu": [[]]}}', r"is not valid .*provenance"),
        ('{"schema_version": 1, "provenance": {"cpu_count": NaN}}', r"is not valid .*provenance"),
        ('{"schema_version": 1, "settings": {"radius": 1e999}}', r"is not valid .*settings"),
        ('{"schema_version": 1, "settings": {"radius": "wide"}}', "the setting radius is 'wide'"),
        (
            '{"schema_version": 1, "theory": {"fc": {"q": {"exponent": 0, "source": "us", "from_width": "x"}}}}',
            r"is not valid .*from_width",
        ),
        (
            '{"schema_version": 1, "theory": {"fc": {"q": {"exponent": Infinity, "source": "us"}}}}',
            r"is not valid .*exponent",
        ),
        (
            f'{{"schema_version": 1, "theory": {{"fc": {{"q": {{"exponent": {10**400}, "source": "us"}}}}}}}}',
            "is not valid",
        ),
        (
            '{"schema_version": 1, "quantities": {"gd": [{"name": "q", "key": "q", "unit": "\\ud800"}]}}',
            r"is not valid .*unit",
        ),
        ('{"schema_version": 1, "quantities": {"gd": [{"name": "q", "key": "q", "per": "x"}]}}', r"is not valid .*per"),
    ],
)
def test_a_damaged_manifest_is_a_sentence(tmp_path, text, says):
    store = filled(tmp_path / "run", [result()])
    (tmp_path / "run" / "manifest.json").write_text(text)
    for act in (store.manifest, lambda: list(store.read()), lambda: store.create_or_open(manifest([]))):
        with pytest.raises(NtkbenchError, match=says):
            act()
    (tmp_path / "run" / "manifest.json").unlink()
    store.create_or_open(manifest([result()]))
    assert finished(store) == {result().cell.key}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_refuses_is_a_sentence_and_keeps_the_old_file(tmp_path, monkeypatch, number, call):
    store = filled(tmp_path / "run", [result()])

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(atomic.os, call, refuse)
        with pytest.raises(RunStopped, match=f"could not be written: {os.strerror(number)}. Finished cells are kept"):
            store.write(failed())
        with pytest.raises(RunStopped, match=f"manifest.json could not be written: {os.strerror(number)}"):
            store.note("stopping", {})
    assert list(store.read()) == [result()]
    assert not list(store.cells.glob(".*"))


def test_an_interrupted_write_keeps_the_old_file(tmp_path, monkeypatch):
    store = filled(tmp_path / "run", [result()])

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.write(failed())
    assert list(store.read()) == [result()] and not list(store.cells.glob(".*"))


def test_names_reach_the_disk_soon_but_not_one_by_one(tmp_path, monkeypatch):
    store = filled(tmp_path / "run", [result()])
    synced = []
    monkeypatch.setattr(atomic, "sync_directory", synced.append)
    clock = iter([10.0, 10.0, 10.05, 10.2, 10.2])
    monkeypatch.setattr(run_store.time, "monotonic", lambda: next(clock))
    store._synced = float("-inf")
    for _ in range(3):
        store.write(result())
    assert synced == [store.cells] * 2  # at 10.0 and at 10.2
    monkeypatch.setattr(run_store, "sync_directory", synced.append)
    store.close()
    assert len(synced) == 3


def test_a_clock_that_jumps_back_changes_nothing(tmp_path, monkeypatch):
    results = sweep(widths=(16,), seeds=2)
    store = filled(tmp_path / "run", results[:4])
    first = store.manifest()

    class Past(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return super().now(tz) - datetime.timedelta(days=365)

    monkeypatch.setattr(datetime, "datetime", Past)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    store.create_or_open(manifest(results))
    for each in results[4:]:
        store.write(each)
    second = store.manifest()
    assert second["created"] == first["created"]
    assert next(each["started"] for each in second["invocations"]) == first["invocations"][0]["started"]
    assert list(store.read()) == results


def test_files_have_the_usual_permissions(tmp_path):
    store = filled(tmp_path / "run", [result()])
    (tmp_path / "plain").write_text("")
    assert next(store.cells.iterdir()).stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_manifest_is_plain_json(tmp_path):
    store = filled(tmp_path / "run", sweep(widths=(16,)))
    text = (store.path / "manifest.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["quantities"]["hessian"][1]["key"] == "hessian_norm:max"


def test_a_writer_reads_again_what_has_changed_and_nothing_else(tmp_path, monkeypatch):
    first, second = sweep(widths=(8, 16), seeds=1)[:2]
    store = filled(tmp_path / "run", [first, second])
    assert store.take_stock() == [first, second]
    read = []
    monkeypatch.setattr(run_store, "read_cell", lambda *given: read.append(given[1]) or read_cell(*given))
    changed = failed(second.cell)
    RunStore(tmp_path / "run").write(changed)
    assert store.take_stock() == [first, changed]
    assert read == [second.cell.key]
    os.truncate(store.cells / f"{first.cell.key}.json", 100)
    assert store.take_stock() == [changed] and "is not JSON" in store.problems[0]


def test_theory_is_kept_by_label():
    results = [result(cell("neck", label=label, params={"k": k})) for k, label in ((1, "neck"), (4, "neck:k=4"))]
    entry = Architecture(
        name="neck",
        target="a:b",
        params={"k": 1},
        theory=lambda params: {"hessian_norm": Theory(0.0, "us", from_width=8 * params["k"])},
    )
    written = new_manifest([each.cell for each in results], architectures={"neck": entry}, measurements={})
    again = theory(json.loads(json.dumps(written)))
    assert again == {
        "neck": {"hessian_norm": Theory(0.0, "us", from_width=8)},
        "neck:k=4": {"hessian_norm": Theory(0.0, "us", from_width=32)},
    }


def test_theory_of_an_old_manifest_speaks_of_defaults_only():
    """It named architectures, and no kinds."""
    results = [*sweep("fc"), *sweep("fc", label="fc:depth=1")]
    old = manifest(results) | {"theory": {"fc": {"hessian_norm": {"exponent": -0.5, "source": "L10"}}}}
    assert theory(old) == {"fc": {"hessian_norm": Theory(-0.5, "L10")}}
    laws = all_laws(results, catalogue(old), theory(old))
    claimed = {of.series.label: of.theory for of in laws if of.key == "hessian_norm"}
    assert claimed == {"fc": Theory(-0.5, "L10"), "fc:depth=1": None}


def test_what_is_not_a_path_is_refused():
    with pytest.raises(NtkbenchError, match="path=None is not a path"):
        load(None)
