"""A run that is killed in the middle: the same command again gives the same numbers and keeps what was there."""

import os
import signal
import subprocess
import sys
import time

import pytest

import ntkbench as nb

COMMAND = "run --arch fc --dataset parity --widths 32 --seeds 1 --probes 24 --quiet --executor serial"


def start(folder, out, measure):
    words = [sys.executable, "-m", "ntkbench", *COMMAND.split(), "--out", out]
    words += ["--measure", measure, "--measure", f"{measure}:curves"]
    return subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process, folder):
    _, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors.decode()
    assert not (folder / "workspace").exists()
    (result,) = nb.load(folder).results
    return {key: value.value for key, value in result.values.items()}, dict(result.curves)


def files(folder):
    return {each: (each.stat().st_mtime_ns, each.stat().st_ino) for each in folder.glob("workspace/*/*/*.npz")}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
@pytest.mark.parametrize(
    ("measure", "kind", "some", "all"),
    [("dynamics", "kernel", 5, 20), ("barrier", "child", 4, 18), ("onset", "slow", 2, 8)],
)
def test_killed_in_the_middle(tmp_path, measure, kind, some, all):
    undisturbed = finish(start(tmp_path, "undisturbed", measure), tmp_path / "undisturbed")
    out = tmp_path / "killed"
    process, deadline = start(tmp_path, "killed", measure), time.monotonic() + 300
    while sum(kind in each.name for each in files(out)) < some and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    before = files(out)
    assert some <= sum(kind in each.name for each in before) < all

    process, seen = start(tmp_path, "killed", measure), {}
    while process.poll() is None and time.monotonic() < deadline:
        try:
            seen |= files(out)
        except FileNotFoundError:  # the workspace is being removed
            break
        time.sleep(0.01)
    assert finish(process, out) == undisturbed
    assert {each: seen.get(each) for each in before} == before
    assert len(seen) > len(before)
