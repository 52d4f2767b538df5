"""Each version of each plugin is tried once, in a process of its own, and what came of it is remembered."""

from __future__ import annotations

import json
import os
import sys

import pytest
from fakes import hook, install, loaded, ntkbench, register

from ntkbench.errors import NtkbenchError
from ntkbench.registry import current, probe as probing, probe_cache, sources

GOOD = hook('"net", "acme.nets:build", params={"depth": {"default": 2, "minimum": 1}}, theory={"hessian_norm": '
            '{"exponent": -0.5, "source": "us"}}, variants=[{"depth": 3}], targets=(0, 1)')  # fmt: skip
MEASURE = """
from ntkbench import Quantity, hookimpl

def measure(ctx):
    return {"q": 0.5}

@hookimpl
def ntkbench_register_measurements(register):
    register("m", measure, quantities=[Quantity("q", "q", bounds=(0, float("inf")), direction="lower")])
    register("n", lambda ctx: {"r": 1.0}, quantities=[Quantity("r", "r")])
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of sys.path with no plugin in it yet, beside an empty cache."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("NTKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NTKBENCH_PLUGINS", raising=False)
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if name.partition("_")[0] in ("acme", "broken", "off", "other"):
            del sys.modules[name]


@pytest.fixture
def tried(monkeypatch):
    """The names of the plugins that were tried, as they are."""
    names = []
    real = probing.probe

    def counted(source):
        names.append(source.name)
        return real(source)

    monkeypatch.setattr(probing, "probe", counted)
    return names


def row(known, distribution):
    (found,) = [plugin for plugin in known.plugins if plugin.distribution == distribution]
    return found


def test_a_plugin_is_tried_once_and_never_imported_here(site, monkeypatch, tried):
    install(site, "acme-nets", GOOD)
    for _ in range(2):
        entry = loaded(monkeypatch).architectures["net"]
        assert (entry.distribution, entry.version, entry.target) == ("acme-nets", "1.0", "acme.nets:build")
        assert entry.params["depth"].minimum == 1 and entry.theory["hessian_norm"].exponent == -0.5
        assert entry.variants == ({"depth": 3},) and entry.targets == (0.0, 1.0)
    assert tried == ["acme-nets:acme_nets"]
    assert "acme_nets" not in sys.modules
    assert row(current.registry(), "acme-nets").hooks == ("ntkbench_register_architectures",)


def test_functions_are_loaded_with_their_plugin_on_first_use(site, monkeypatch):
    install(site, "acme", MEASURE)
    known = loaded(monkeypatch)
    assert known.measurements["m"].quantities[0].bounds == (0, float("inf"))
    assert "acme" not in sys.modules
    assert known.measurements["m"].load()(None) == {"q": 0.5}
    assert known.measurements["n"].load()(None) == {"r": 1.0}


@pytest.mark.parametrize("change", ["version", "code", "entry point"])
def test_what_changed_is_tried_again(site, monkeypatch, tried, change):
    path = install(site, "acme", GOOD)
    loaded(monkeypatch)
    if change == "version":
        (site / "acme-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.1\n")
    elif change == "code":
        path.write_text(GOOD.replace('"net"', '"nut"'))
    else:
        register(site, "acme", "other = acme")
    assert len(loaded(monkeypatch).architectures) == len(list(known_builtins())) + 1
    assert len(tried) == 2
    if change == "code":
        assert "nut" in current.registry().architectures


def test_rows_from_a_data_file_of_the_package_are_tried_again(site, monkeypatch, tried):
    reading = "import json, pathlib\nNAME = json.loads((pathlib.Path(__file__).parent / 'rows.json').read_text())\n"
    path = install(site, "acme", "")
    path.unlink()
    (site / "acme").mkdir()
    (site / "acme/__init__.py").write_text(reading + GOOD.replace('"net"', "NAME", 1))
    for name in ("net", "nut"):
        (site / "acme/rows.json").write_text(f'"{name}"')
        os.utime(site / "acme/rows.json", ns=(len(tried), len(tried)))
        for _ in range(2):
            assert name in loaded(monkeypatch).architectures
    assert len(tried) == 2


def known_builtins():
    return [name for name, entry in current.registry().architectures.items() if entry.distribution == "ntkbench"]


def test_a_refusal_is_remembered_until_something_is_installed(site, monkeypatch, tried):
    install(site, "acme", "import no_such_module_anywhere")
    reasons = [row(loaded(monkeypatch), "acme").reason for _ in range(2)]
    assert tried == ["acme:acme"]
    assert reasons == ["ModuleNotFoundError: No module named 'no_such_module_anywhere'"] * 2
    (site / "no_such_module_anywhere.py").write_text("")
    (site / "acme.py").write_text("import no_such_module_anywhere\n" + GOOD)
    monkeypatch.setattr(probe_cache, "environment", lambda: "something was installed")
    assert row(loaded(monkeypatch), "acme").status == "ok"
    monkeypatch.setattr(probe_cache, "environment", lambda: "something else was installed")
    loaded(monkeypatch)
    assert len(tried) == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"key": 1}', b"\xff\xfe", b'{"probe": {"reason": 3}}'])
def test_a_damaged_cache_is_no_cache(site, monkeypatch, tried, content):
    install(site, "acme", GOOD)
    loaded(monkeypatch)
    (file,) = probe_cache.folder().iterdir()
    file.write_bytes(content)
    assert row(loaded(monkeypatch), "acme").status == "ok"
    assert len(tried) == 2
    assert json.loads(file.read_bytes())["probe"]["reason"] == ""


def test_without_a_place_for_the_cache_plugins_are_tried_each_time(site, monkeypatch, tried, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NTKBENCH_CACHE", str(tmp_path / "file"))
    install(site, "acme", GOOD)
    assert [row(loaded(monkeypatch), "acme").status for _ in range(2)] == ["ok", "ok"]
    assert len(tried) == 2


def test_processes_that_start_together_share_the_cache(site):
    import subprocess

    for number in range(3):
        install(site, f"acme-{number}", GOOD.replace('"net"', f'"net-{number}"'))
    command = [sys.executable, "-m", "ntkbench", "list", "--json"]
    path = os.pathsep.join([str(site), os.getcwd()])
    together = [
        subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}) for _ in range(3)
    ]
    for process in together:
        names = {entry["name"] for entry in json.loads(process.communicate(timeout=60)[0])}
        assert {"net-0", "net-1", "net-2"} <= names
    files = sorted(file.suffix for file in probe_cache.folder().iterdir())
    assert files == [".json"] * 3


def test_what_a_plugin_prints_at_import_is_not_seen(site):
    install(site, "acme", "print('HELLO'); import sys; print('HELLO', file=sys.stderr)\n" + GOOD)
    done = ntkbench(site, "list", "--json")
    assert done.returncode == 0 and "HELLO" not in done.stdout + done.stderr
    assert "net" in {entry["name"] for entry in json.loads(done.stdout)}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("x = 1", "It registers nothing"),
        ("def ntkbench_register_architectures(register): ...", "without @hookimpl"),
        (hook('"a", "a:b"').replace("(register):", "(registre):"), "Did you mean 'register'?"),
        (hook('"a", "a:b"', kind="architecture"), "Did you mean 'ntkbench_register_architectures'"),
        (
            "from fractions import Fraction\n"
            + hook('"a", "a:b", params={"depth": 2}, variants=[{"depth": Fraction(3)}]'),
            "has values that JSON cannot hold",
        ),
        (hook('"a", "a:b", summary="x" * 301'), "at most 300 characters"),
        ("import ntkbench as nb\nnb.architecture('mine')(lambda width: 1)\n" + GOOD, "'mine' with a decorator"),
        ("ntkbench_hooks = 1\n" + GOOD, "Its ntkbench_hooks is 1"),
        ("ntkbench_hooks = '99.0'\n" + GOOD, "It needs version 99.0 of the hooks, but this ntkbench has 0.1"),
        ("import os; os._exit(3)", "ended the process with exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended the process by SIGSEGV"),
        ("raise BaseException", "BaseException"),
    ],
)
def test_reasons(site, monkeypatch, code, reason):
    install(site, "acme", code)
    found = row(loaded(monkeypatch), "acme")
    assert found.status == "broken" and reason in found.reason and not found.entries


def test_an_old_plugin_gets_a_sentence_and_is_loaded(site, monkeypatch):
    install(site, "acme", "ntkbench_hooks = '0.0'\n" + GOOD)
    known = loaded(monkeypatch)
    assert "net" in known.architectures
    (warning,) = known.warnings
    assert warning.startswith("Plugin acme 1.0: It was written for version 0.0 of the hooks")
    assert not known.problems


def test_a_deprecated_hook_gets_pluggys_sentence(monkeypatch):
    from types import ModuleType

    import pluggy

    from ntkbench import hookimpl
    from ntkbench.registry import hookspecs
    from ntkbench.registry.collect import collect

    old = DeprecationWarning("Use another hook from version 0.9 on.")
    mark = pluggy.HookspecMarker("ntkbench")(warn_on_impl=old)
    monkeypatch.setattr(hookspecs, "ntkbench_register_kernels", mark(lambda register: None))
    plugin = ModuleType("acme")

    @hookimpl
    def ntkbench_register_kernels(register):
        register("k", "a:b")

    plugin.ntkbench_register_kernels = ntkbench_register_kernels
    found = collect(plugin, sources.Source("acme", "1.0", "acme", lambda: plugin))
    assert found.notes == ("Use another hook from version 0.9 on.",) and len(found.entries) == 1


def test_strict_and_unknown_names_are_errors(site):
    install(site, "acme", "1 / 0")
    install(site, "other-one", GOOD)
    done = ntkbench(site, "list", "--strict")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "Error: Plugin acme 1.0 was left out: ZeroDivisionError: division by zero\n"
    (site / "acme.py").write_text("raise ValueError('\\x1b[31mred\\u202e')")
    done = ntkbench(site, "list", "--strict")
    assert done.returncode == 2 and "\\x1b[31mred\\u202e" in done.stderr and "\x1b" not in done.stderr
    done = ntkbench(site, "list", "--no-plugin", "acmee")
    assert done.returncode == 2 and "Did you mean 'acme'?" in done.stderr
    done = ntkbench(site, "list", "--strict", "--no-plugin", "acme")
    assert done.returncode == 0 and "net" in done.stdout and done.stderr == ""
    done = ntkbench(site, "list", NTKBENCH_PLUGINS="other_one, gone")
    assert "net" in done.stdout and "NTKBENCH_PLUGINS names it, but it is not installed" in done.stderr


def test_check_tries_again_what_is_remembered(site, monkeypatch, capsys):
    from ntkbench.cli.main import main

    install(site, "acme", "import no_such_module_anywhere\n" + GOOD)
    assert row(loaded(monkeypatch), "acme").status == "broken"
    (site / "no_such_module_anywhere.py").write_text("")
    assert row(loaded(monkeypatch), "acme").status == "broken"
    monkeypatch.setattr(current, "_registry", None)
    assert main(["plugin", "check", "acme"]) == 1
    out = capsys.readouterr().out
    assert "✓ P1" in out and "✗ A1 'net' of acme could not be loaded from 'acme.nets:build'" in " ".join(out.split())
    monkeypatch.setattr(current, "_registry", None)
    monkeypatch.setenv("NTKBENCH_PLUGINS", "")
    assert main(["plugin", "check", "acme"]) == 1
    assert "✗ P1 NTKBENCH_PLUGINS does not name it." in capsys.readouterr().out


def test_help_loads_no_plugin(site, tmp_path):
    install(site, "acme", GOOD)
    for words in (["--help"], ["list", "--help"], ["plugin", "--help"], ["run", "--strict", "--help"], ["--version"]):
        assert ntkbench(site, *words).returncode == 0
    assert not (tmp_path / "cache").exists()


def test_plugin_list(site):
    install(site, "acme", "ntkbench_hooks = '0.0'\n" + GOOD)
    install(site, "broken", "raise ValueError('\\x1b[31mred')")
    install(site, "off", GOOD)
    done = ntkbench(site, "plugin", "list", "--json", "--no-plugin", "off")
    found = {each["distribution"]: each for each in json.loads(done.stdout)}
    assert {name: each["status"] for name, each in found.items()} == {"acme": "ok", "broken": "broken", "off": "off"}
    assert found["acme"]["entries"] == {"architectures": ["net"]}
    assert found["acme"]["hooks"] == ["ntkbench_register_architectures"]
    assert found["acme"]["origin"] == str(site) and found["acme"]["version"] == "1.0"
    assert found["off"]["reason"] == "--no-plugin names it."
    done = ntkbench(site, "plugin", "list", "--no-plugin", "off")
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "architecture net" in done.stdout and "\x1b" not in done.stdout and "ValueError" in done.stdout
    assert "run with your permissions" in done.stdout


def test_names_of_distributions_are_inert(site):
    install(site, "acme", "raise ValueError")
    name = "\x1b[31m<b>|bad"
    (site / "acme-1.0.dist-info/METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\u202e\n")
    for words in (["list"], ["plugin", "list"], ["plugin", "list", "--json"], ["list", "--strict"]):
        done = ntkbench(site, *words)
        shown = done.stdout + done.stderr
        assert "\x1b" not in shown and "\u202e" not in shown and "[31m<b>|bad" in shown


@pytest.mark.parametrize(
    ("direct_url", "origin"),
    [
        ({"url": "file:///src/acme", "dir_info": {"editable": True}}, "/src/acme (editable)"),
        ({"url": "file:///src/acme.whl", "archive_info": {}}, "/src/acme.whl"),
        ({"url": "https://user:word@example.org/acme.git", "vcs_info": {}}, "https://example.org/acme.git"),
    ],
)
def test_origins(site, direct_url, origin):
    install(site, "acme", GOOD)
    (site / "acme-1.0.dist-info/direct_url.json").write_text(json.dumps(direct_url))
    (source,) = [source for source in sources.installed_sources() if source.distribution == "acme"]
    assert source.origin == origin


BY_PARAMS = """
from ntkbench import hookimpl

def theory(params):
    return {"hessian_norm": {"exponent": -1 / params["depth"], "source": "us"}}

@hookimpl
def ntkbench_register_architectures(register):
    register("net", "acme.nets:build", params={"depth": DEFAULT}, theory=theory, variants=[{}, {"depth": 4}])
"""


def test_theory_of_the_defaults_and_variants_needs_no_plugin(site, monkeypatch):
    install(site, "acme", BY_PARAMS.replace("DEFAULT", "2"))
    for _ in range(2):
        entry = loaded(monkeypatch).architectures["net"]
        exponents = [entry.resolved(given).theory["hessian_norm"].exponent for given in ({}, {"depth": 4})]
        assert exponents == [-0.5, -0.25] and "acme" not in sys.modules
    assert entry.resolved({"depth": 1}).theory["hessian_norm"].exponent == -1 and "acme" in sys.modules
    with pytest.raises(NtkbenchError, match="depth=0: ZeroDivisionError"):
        entry.resolved({"depth": 0})


def test_a_plugin_whose_theory_raises_is_left_out(site, monkeypatch):
    install(site, "acme", BY_PARAMS.replace("DEFAULT", "0"))
    known = loaded(monkeypatch)
    assert "net" not in known.architectures
    assert "theory as a function of its parameters, which failed for depth=0" in row(known, "acme").reason


def test_a_file_in_the_working_folder_does_not_replace_a_module_of_python(site, tmp_path, monkeypatch):
    install(site, "acme", GOOD)
    for name in ("json", "types", "importlib"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not Python')\n")
    monkeypatch.chdir(tmp_path)
    assert "net" in loaded(monkeypatch).architectures
