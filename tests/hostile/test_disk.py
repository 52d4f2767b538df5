"""Disks that fill up, refuse or vanish during a run: one sentence, nothing half-written, and the run goes on later."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from factories import cell, manifest, result

import ntkbench as nb
from ntkbench.cli.main import main
from ntkbench.runner.executors.serial import Serial
from ntkbench.store.run_store import RunStore
from ntkbench.types import CellResult, Status, Value

WORDS = ["run", "--arch", "fc", "--widths", "4,8", "--seeds", "20", "--measure", "gradient", "--executor", "serial"]
CELLS = 40


def mount(*words: str) -> None:
    """Mount, or skip the test where that is not allowed."""
    if shutil.which("mount") is None or subprocess.run(["mount", *words], capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here")


@pytest.fixture
def disk(tmp_path):
    """A folder on a file system of its own: of 64 KiB, 16 files and folders. What is mounted in it goes too."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder))
    yield folder
    subprocess.run(["umount", "--recursive", "--lazy", str(folder)], check=True)


@pytest.fixture
def measured(monkeypatch):
    """Stand for the executor: every cell is 1 at once. The mapping's functions are called before those cells."""
    before = {}

    def results(self, agenda, progress):
        number = 0
        while agenda:
            for each in agenda.take():
                before.get(number, lambda: None)()
                number += 1
                yield CellResult(each, Status.OK, {key: Value(1.0) for key in each.quantities}, device=self.device)

    monkeypatch.setattr(Serial, "results", results)
    return before


def one_sentence(capsys) -> str:
    """Return what a command said on standard error besides its progress; on standard output nothing."""
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert "Traceback" not in err
    return line


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def whole(folder: Path) -> set[str]:
    """Return the files of a finished run."""
    run = nb.load(folder)
    assert not run.problems and {result.status for result in run.results} == {Status.OK}
    cells = {f"cells/{result.cell.key}.json" for result in run.results}
    assert len(cells) == CELLS
    return {".lock", "manifest.json", *cells}


def test_a_disk_that_fills_up_ends_the_run_which_goes_on_when_there_is_room(disk, measured, capsys):
    words = [*WORDS, "--out", str(disk / "run")]
    assert main(words) == 1
    line = one_sentence(capsys)
    kept = len(nb.load(disk / "run").results)
    assert 3 <= kept < CELLS
    assert "could not be written: No space left on device. " in line
    assert f"Finished cells are kept in {disk / 'run'}. Fix the problem and rerun the command" in line
    assert not [name for name in files(disk / "run") if name.endswith(".tmp")]
    assert not nb.load(disk / "run").problems
    stamps = {path: path.stat().st_mtime_ns for path in (disk / "run" / "cells").iterdir()}

    mount("-o", "remount,size=1m", str(disk))
    assert main(words) == 0
    assert files(disk / "run") == whole(disk / "run")
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())


def test_a_disk_that_is_full_from_the_start_is_a_sentence(disk, measured, capsys):
    (disk / "run").mkdir()
    (disk / "filler").write_bytes(bytes(60 * 1024))
    assert main([*WORDS, "--out", str(disk / "run")]) == 2
    assert "The run could not be stored in" in (line := one_sentence(capsys)) and "No space left on device" in line
    assert files(disk / "run") <= {".lock"}
    (disk / "filler").unlink()
    mount("-o", "remount,size=1m", str(disk))
    assert main([*WORDS, "--out", str(disk / "run")]) == 0


def test_measuring_again_on_a_full_disk_keeps_what_was_measured(disk, measured, capsys):
    mount("-o", "remount,size=1m", str(disk))
    words = [*WORDS, "--out", str(disk / "run")]
    assert main(words) == 0
    before = nb.load(disk / "run").results
    capsys.readouterr()
    measured[3] = lambda: mount("-o", f"remount,size={shutil.disk_usage(disk).used}", str(disk))
    assert main([*words, "--force"]) == 1
    assert "Finished cells are kept" in one_sentence(capsys)
    assert nb.load(disk / "run").results == before


def test_a_folder_that_becomes_read_only_ends_the_run_and_can_be_read(disk, measured, capsys):
    mount("-o", "remount,size=1m", str(disk))
    folder = str(disk / "run")

    def make_read_only():
        mount("--bind", folder, folder)
        mount("-o", "remount,bind,ro", folder)

    measured[5] = make_read_only
    assert main([*WORDS, "--out", folder]) == 1
    assert "Read-only file system. Finished cells are kept" in one_sentence(capsys)
    assert main(["table", folder]) == 0
    assert "35 of 40 planned cells" in " ".join(capsys.readouterr().out.split())
    assert main([*WORDS, "--out", folder]) == 2
    assert "could not be stored in" in (line := one_sentence(capsys)) and "Read-only file system" in line
    subprocess.run(["umount", folder], check=True)
    measured.clear()
    assert main([*WORDS, "--out", folder]) == 0
    assert files(disk / "run") == whole(disk / "run")


def test_a_folder_that_vanishes_ends_the_run_and_is_not_made_anew(tmp_path, measured, capsys):
    folder = tmp_path / "run"
    measured[5] = lambda: shutil.move(folder, tmp_path / "elsewhere")
    assert main([*WORDS, "--out", str(folder)]) == 1
    assert "No such file or directory. Finished cells are kept" in one_sentence(capsys)
    assert not folder.exists()
    measured.clear()
    assert main([*WORDS, "--out", str(tmp_path / "elsewhere")]) == 0
    assert files(tmp_path / "elsewhere") == whole(tmp_path / "elsewhere")


@pytest.mark.parametrize("name", ["cells", "manifest.json"])
def test_something_else_in_the_place_of_the_runs_own(tmp_path, measured, capsys, name):
    (tmp_path / "run").mkdir()
    if name == "cells":
        (tmp_path / "run" / "manifest.json").write_text('{"schema_version": 1}')
        (tmp_path / "run" / "cells").write_text("")
    else:
        (tmp_path / "run" / "cells").mkdir()
        (tmp_path / "run" / "manifest.json").mkdir()
    assert main([*WORDS, "--out", str(tmp_path / "run")]) == 2
    assert str(tmp_path / "run") in one_sentence(capsys)


LIMITED = """
import resource, sys; sys.path.insert(0, sys.argv[2])
from factories import *
from ntkbench.store.run_store import RunStore
store = RunStore(sys.argv[1]); store.create_or_open(manifest([result()])); store.write(result())
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
store.write(result(message="x" * 100_000))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of files")
def test_a_write_that_stops_half_way_leaves_the_old_file(tmp_path):
    folder = os.path.dirname(sys.modules["factories"].__file__)
    words = [sys.executable, "-c", LIMITED, str(tmp_path / "run"), folder]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert "RunStopped" in ended.stderr and "could not be written: File too large. Finished cells" in ended.stderr
    store = RunStore(tmp_path / "run")
    assert list(store.read()) == [result()] and not list(store.cells.glob(".*"))


def test_two_runs_in_one_folder(tmp_path, measured, capsys):
    folder = os.path.dirname(sys.modules["factories"].__file__)
    program = LIMITED.partition("resource.setrlimit")[0] + "print('held', flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", program, str(tmp_path / "run"), folder]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        assert main([*WORDS, "--out", str(tmp_path / "run")]) == 2
        assert f"in use: process {other.pid} on " in one_sentence(capsys)
        assert main(["table", str(tmp_path / "run")]) == 0
        assert "gradient_norm" in capsys.readouterr().out
        other.communicate("")
    assert main([*WORDS, "--out", str(tmp_path / "run")]) == 0
    assert len(list((tmp_path / "run" / "cells").iterdir())) == CELLS + 1


def test_damaged_cells_are_measured_again_and_the_table_says_so(tmp_path, measured, capsys):
    words = [*WORDS, "--out", str(tmp_path / "run")]
    assert main(words) == 0
    cells = sorted((tmp_path / "run" / "cells").iterdir())
    cells[0].write_bytes(b"")
    cells[1].write_bytes(cells[2].read_bytes())
    stray = RunStore(tmp_path / "other")
    stray.create_or_open(manifest([]))
    stray.write(result(cell(seed=77)))
    shutil.copy(next(stray.cells.iterdir()), cells[0].parent)
    capsys.readouterr()

    assert main(["table", str(tmp_path / "run")]) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert output.count("the next `ntkbench run` here sets it aside") == 3
    assert "38/40" in output and "2 of 40 planned cells are missing" in output

    assert main(words) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert output.count("It was set aside.") == 3 and "40/40" in output
    assert files(tmp_path / "run") - whole(tmp_path / "run") == {
        f"set-aside/{name}" for name in (cells[0].name, cells[1].name, f"{cell(seed=77).key}.json")
    }
    assert len(list((tmp_path / "run" / "cells").iterdir())) == CELLS


def test_a_run_that_was_moved_goes_on_and_says_what_differs(tmp_path, measured, monkeypatch, capsys):
    machines = [{"cpu": "EPYC", "cpu_count": 2}, {"cpu": "Xeon", "cpu_count": 8}]
    measure = Serial.results

    def on(machine):
        monkeypatch.setattr("ntkbench.store.provenance.machine", lambda: machine)
        monkeypatch.setattr(
            Serial, "results", lambda *words: (attrs.evolve(each, provenance=machine) for each in measure(*words))
        )

    def stop():
        raise KeyboardInterrupt

    on(machines[0])
    measured[10] = stop
    assert main([*WORDS, "--out", str(tmp_path / "run")]) == 130
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    on(machines[1])
    measured.clear()
    capsys.readouterr()
    assert main([*WORDS, "--out", str(tmp_path / "copy")]) == 0
    note = " ".join(capsys.readouterr().out.split())
    assert "Cells differ: 30 cells (Xeon, 8 cores); 10 cells (EPYC, 2 cores)." in note
    sessions = nb.load(tmp_path / "copy").manifest["invocations"]
    sessions[-1].setdefault("provenance", nb.load(tmp_path / "copy").manifest["provenance"])
    assert [(each["provenance"]["cpu"], each["provenance"]["cpu_count"]) for each in sessions] == [
        ("EPYC", 2),
        ("Xeon", 8),
    ]
    assert socket.gethostname() not in (tmp_path / "copy" / "manifest.json").read_text()
