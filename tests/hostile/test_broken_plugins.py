"""Ten broken plugins at once: every command works, and each shows its reason."""

from __future__ import annotations

import json
import sys

import pytest
from fakes import MEASURE, NET, hook, install, loaded, ntkbench

from ntkbench.cli.main import main
from ntkbench.registry import probe, registry, use

# distribution -> (code, reason); those of the second group are sound until they are run.
LEFT_OUT = {
    "raises": ("raise ValueError('no luck')", "ValueError: no luck"),
    "exits": ("import sys; sys.exit('bye')", "SystemExit: bye"),
    "exits-hard": ("import os; os._exit(0)", "ended the process with exit code 0"),
    "hangs": ("import time; time.sleep(3600)", "Its import took longer than"),
    "wrong-signature": (hook('"x", "a:b"').replace("(register)", "(registrar)", 1), "takes 'registrar'"),
    "duplicate": (hook('"new", "a:b"', '"fc", "a:b"'), "'fc' of duplicate is already registered by ntkbench"),
    "evil-name": (hook(r'"\x1b[31m<b>x</b>", "a:b"'), "is not a valid architecture name"),
    "newer": ("ntkbench_hooks = '7.0'\n" + hook('"x", "a:b"'), "needs version 7.0 of the hooks"),
}
RUN = {
    "no-model": (hook('"no-model", lambda width: 3', '"quits", lambda width: quit()'), "built a int"),
    "not-a-number": (MEASURE.format(name="not_a_number", value="float('nan')"), "returned not_a_number = nan"),
    "wrong-units": (
        MEASURE.format(name="wrong_units", value="float(ctx.empirical_ntk()[0, 0])"),
        "wrong_units has the unit '1', but doubling the output multiplies it by 4: that is f^2",
    ),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder of sys.path with all of them, and one that is well; they have been tried with a shorter limit."""
    folder = tmp_path_factory.mktemp("site")
    for name, (code, _) in (LEFT_OUT | RUN).items():
        install(folder, name, code)
    install(folder, "well", NET)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("NTKBENCH_CACHE", str(folder / "cache"))
        patch.delenv("NTKBENCH_PLUGINS", raising=False)
        patch.setattr(probe, "LIMIT_SECONDS", 3.0)
        patch.chdir(folder)
        known = set(sys.modules)
        with use(None):
            loaded(patch)
            yield folder
        for name in set(sys.modules) - known:
            if getattr(sys.modules[name], "__file__", None) and str(folder) in str(sys.modules[name].__file__):
                del sys.modules[name]


@pytest.fixture
def here(site):
    """That folder, with its plugins loaded anew."""
    with use(None):
        yield site


def test_each_is_a_row_with_its_reason(here, capsys):
    assert main(["plugin", "list", "--json"]) == 0
    out, err = capsys.readouterr()
    found = {each["distribution"]: each for each in json.loads(out)}
    assert set(found) == {*LEFT_OUT, *RUN, "well"} and err == ""
    for name, (_, reason) in LEFT_OUT.items():
        assert found[name]["status"] == "broken" and reason in found[name]["reason"], name
        assert found[name]["entries"] == {} and found[name]["origin"] == str(here)
    assert {found[name]["status"] for name in (*RUN, "well")} == {"ok"}


def test_a_plugin_is_taken_whole_or_not_at_all(here):
    known = registry()
    assert "new" not in known.architectures and "fine" in known.architectures


@pytest.mark.parametrize("words", [["list"], ["list", "measurements"], ["plugin", "list"], ["run", "--dry-run"]])
def test_texts_are_inert_and_fit(here, capsys, words):
    more = ["--arch", "fine", "--widths", "4"] if words[0] == "run" else []
    assert main([*words, *more]) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err and max(map(len, out.splitlines())) <= 100
    if words[0] != "plugin":
        assert err.count("was left out") == len(LEFT_OUT)


def test_a_process_of_its_own_needs_no_second_try(here):
    """The plugin that hangs would take three seconds and more."""
    for words in (["--help"], ["list"], ["plugin", "list"], ["run", "--help"]):
        done = ntkbench(here, *words, NTKBENCH_CACHE=str(here / "cache"))
        assert done.returncode == 0 and "Traceback" not in done.stderr


def test_a_run_measures_the_others(here, capsys):
    words = ["--widths", "4", "--seeds", "1", "--probes", "3", "--measure", "gradient", "--measure", "not_a_number"]
    archs = [word for name in ("fine", "no-model", "quits", "linear") for word in ("--arch", name)]
    assert main(["run", *archs, *words, "--out", "r", "--quiet", "--json"]) == 1
    out, err = capsys.readouterr()
    table = json.loads(out)
    ok = {row["label"]: (row["cells_ok"], row["cells_total"]) for row in table["rows"]}
    assert ok == {"fine": (2, 2), "linear": (2, 2), "no-model": (0, 2), "quits": (0, 2)}
    notes = " ".join(table["notes"])
    assert "no-model built a int" in notes and "tried to end the process (SystemExit" in notes
    assert "'not_a_number' returned not_a_number = nan, which is stored as no value." in notes
    assert "no-model built a int" in err
    for command in (["table", "r"], ["export", "r", "--format", "csv"], ["export", "r", "--format", "markdown"]):
        assert main(command) == 0
    for file in [here / "r/manifest.json", *(here / "r/cells").iterdir()]:
        assert "NaN" not in file.read_text()


CHECKED = [*LEFT_OUT, *RUN]
CHECKED_FAST = ("exits", "wrong-signature", "evil-name")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in CHECKED_FAST else pytest.mark.slow) for name in CHECKED]
)
def test_plugin_check_says_what_is_wrong(here, capsys, name):
    if name in ("hangs", "exits-hard"):
        pytest.skip("tried above")
    assert main(["plugin", "check", name]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert (LEFT_OUT | RUN)[name][1] in out


def test_plugin_check_of_one_that_is_well(here, capsys):
    assert main(["plugin", "check", "well", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    skipped = [each["number"] for each in found if each["status"] != "ok"]
    assert found[0]["number"] == "P1" and skipped == ["A15", "A16", "A17"]  # for padding, sets and limits
    assert len(found) == 18


def test_two_plugins_that_take_one_name(here, tmp_path, monkeypatch):
    folder = tmp_path / "more"
    folder.mkdir()
    install(folder, "zebra", NET)
    monkeypatch.syspath_prepend(str(folder))
    known = loaded(monkeypatch)
    (found,) = [plugin for plugin in known.plugins if plugin.distribution == "zebra"]
    assert found.status == "broken"
    assert found.reason == (
        "The architecture 'fine' of zebra is already registered by well. Rename it, or leave out one of the two "
        "plugins with --no-plugin."
    )
    assert known.architectures["fine"].distribution == "well"
