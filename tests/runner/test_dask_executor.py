"""What the Dask executor asks of a worker, and the user's files on machines that lack them."""

from __future__ import annotations

import asyncio
import pickle
from pathlib import Path

import pytest
from attrs import evolve
from factories import cell

pytest.importorskip("distributed")

from ntkbench.errors import NtkbenchError
from ntkbench.plan.python_file import file_architecture
from ntkbench.registry.code import code_of_file
from ntkbench.runner.executors.child import Setting
from ntkbench.runner.executors.dask import Bench, resources
from ntkbench.runner.limits import Limits


def setting(device="cpu", gib=None, **architectures):
    return Setting(device, architectures, frozenset(), 1, Limits(gib=gib))


def test_only_what_workers_have_is_asked_for():
    cells = [cell(width=1024)]
    assert resources(cells, setting("gpu", 4.0), {}) == {}
    assert resources(cells, setting("gpu", 4.0), {"MEMORY": 2.0**40, "GPU": 2, "FPGA": 1}) == {
        "MEMORY": 4 * 2.0**30,
        "GPU": 1.0,
    }
    predicted = resources(cells, setting(), {"MEMORY": 2.0**40, "GPU": 1})
    assert set(predicted) == {"MEMORY"} and 0.8 * 2**30 < predicted["MEMORY"] < 2 * 2**30
    assert resources(cells, setting(), {"MEMORY": 1e6}) == {"MEMORY": 1e6}, "or it would wait for ever"


def test_a_users_file_goes_to_machines_that_lack_it(tmp_path):
    source = tmp_path / "net.py"
    source.write_text("def build(width):\n    return width + 1\n")
    sent = pickle.dumps(Bench("run", setting(own=file_architecture(source, "build"))))
    here = pickle.loads(sent)
    here.setup(None)
    assert here.setting.architectures["own"].path == source

    source.write_text("def build(width):\n    return 'another'\n")
    there = pickle.loads(sent)
    there.setup(None)
    entry = there.setting.architectures["own"]
    assert entry.path != source and entry.path.name == "net.py"
    assert entry.load()(4) == 5
    asyncio.run(there.teardown(None))
    assert not Path(entry.path).exists()


def test_what_is_sent_is_what_was_planned_and_only_what_may_change_is_watched(tmp_path):
    source, plugin, elsewhere = (tmp_path / name for name in ("net.py", "plugin.py", "elsewhere.py"))
    for path in (source, plugin, elsewhere):
        path.write_text("def build(width):\n    return width\n")
    entry = file_architecture(source, "build")
    code = {path.stem: code_of_file(path) for path in (source, plugin, elsewhere)}
    bench = Bench("run", evolve(setting(own=entry), code=code))
    source.write_text("def build(width):\n    return 'another'\n")
    elsewhere.unlink()
    bench.setup(None)
    paths = {name: list(each.paths.values()) for name, each in bench.setting.code.items()}
    assert paths == {"net": [], "plugin": [plugin], "elsewhere": []}
    assert bench.setting.code["net"].fingerprint == code["net"].fingerprint
    asyncio.run(bench.teardown(None))
    with pytest.raises(NtkbenchError, match=r"net.py changed while the run was started; run the command again."):
        Bench("run", setting(own=entry))
