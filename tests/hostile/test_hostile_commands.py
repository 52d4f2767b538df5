"""Commands in hostile surroundings: old encodings, closed streams, limits, edited code, odd folders, broken packages.

Each ends with its exit code and without a traceback, within its limit and some seconds, and loses nothing finished.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from attrs import field, frozen

ROOT = Path(__file__).parents[2]
PATIENCE = 240  # seconds for a command, most of which is the start of TensorFlow on a busy machine
SMALL = "--widths 4,8 --seeds 1 --probes 2 --measure gradient_norm --quiet --workers 1"
RUN = f"ntkbench run {SMALL} --out out --arch"

NET = """
import keras
from ntkbench import layers


def build(width, *, input_shape, seed, scale=1.0):
    hidden = layers.Dense(width, activation="tanh", seed=seed)
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, SCALE * layers.Dense(1, seed=seed + 1)(hidden(inputs)))
"""
ONE = "SCALE = 1.0\n" + NET


@frozen
class Case:
    """One command line of bash, what is there before, and how it has to end.

    files: text, bytes, or a link's target in an attrs-free tuple, by path.   code: of the last command.
    says: words of standard error or output.   ok: cells of out/ that are ok.
    """

    name: str
    command: str
    code: int = 0
    files: Mapping[str, str | bytes] = field(factory=dict)
    environment: Mapping[str, str] = field(factory=dict)
    says: str = ""
    ok: int | None = None
    encoding: str = "utf-8"


def _encoded(word, encoding, **environment):
    return Case(
        f"{encoding} {word}",
        f"ntkbench {word}",
        # What is exported is a file's contents, in UTF-8 everywhere.
        encoding="utf-8" if word.startswith("export") else encoding.partition(":")[0],
        environment={"PYTHONIOENCODING": encoding, **environment},
    )


ENCODINGS = [
    *(
        _encoded("table run", encoding)
        for encoding in ("cp1252", "cp437", "cp932", "latin-1", "ascii:strict", "utf-16")
    ),
    *(_encoded("export run --format markdown", encoding) for encoding in ("cp437", "ascii")),
    *(_encoded("compare run run", encoding) for encoding in ("cp932", "cp1252:strict")),
    _encoded("leaderboard --help", "cp437"),
    Case(
        "table in the C locale",
        "ntkbench table run",
        environment={"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ),
    Case(
        "report in the C locale",
        'ntkbench report run --output page && python -c \'open("page/report.html", encoding="utf-8").read()\'',
        environment={"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ),
    Case(
        "an unknown name in cp437",
        "ntkbench table rün✓",
        2,
        environment={"PYTHONIOENCODING": "cp437"},
        encoding="cp437",
    ),
]
STREAMS = [
    Case("table into a closed stream", "ntkbench table run >&-"),
    Case("table into a full disk", "ntkbench table run >/dev/full", 1, says="Standard output could not be written"),
    Case("help into a full disk", "ntkbench --help >/dev/full", 1, says="Standard output could not be written"),
    Case("version into a full disk", "ntkbench --version >/dev/full", 1, says="Standard output could not be written"),
    Case("help into a reader that goes", "ntkbench run --help | head -c 1; exit ${PIPESTATUS[1]}"),
    Case("table, standard error full", "ntkbench table run 2>/dev/full"),
    Case("table without any stream", "ntkbench table run <&- >&- 2>&-"),
    Case("export into head", "ntkbench export run --format csv | head -1; exit ${PIPESTATUS[1]}"),
    Case("export into a full disk", "ntkbench export run --format csv >/dev/full", 1, says="could not be written"),
    Case("compare, standard error closed", "ntkbench compare run run 2>&-"),
    Case("plugin list into a reader that goes", "ntkbench plugin list | head -c 1; exit ${PIPESTATUS[1]}"),
    Case("verify into a full disk", "ntkbench leaderboard verify boards/submissions/a.json --cells 0 >/dev/full", 1),
    Case("run without standard input and error", f"{RUN} linear <&- 2>&-", ok=2),
    Case("run into a full disk", f"{RUN} linear --json >/dev/full", says="The results are kept in out", ok=2),
]
LIMITS = [
    Case(
        f"{name} under --timeout",
        f"{RUN} net.py:build --arch linear --timeout 12",
        1,
        files={"net.py": text},
        says="--timeout 12 s",
        ok=2,
    )
    for name, text in {
        "import that spins": "while True:\n    pass\n\n\ndef build(width):\n    return None\n",
        "import that sleeps": "import time\ntime.sleep(1e6)\n\n\ndef build(width):\n    return None\n",
        "build that waits for its child": "import os\n\n\ndef build(width):\n    os.system('sleep 10000')\n",
        "build that waits for a lock": (
            "from threading import Lock\n\n\ndef build(width):\n    lock = Lock()\n    lock.acquire(), lock.acquire()\n"
        ),
    }.items()
] + [
    Case(
        "threads that never end",
        f"{RUN} net.py:build",
        files={
            "net.py": ONE + "\nimport threading, time\n"
            "threading.Thread(target=lambda: time.sleep(1e6), daemon=False).start()\n"
        },
        ok=2,
    ),
    Case(
        "dry run of a file that sleeps",
        f"ntkbench run {SMALL} --arch net.py:build --timeout 12 --dry-run",
        files={"net.py": "import time\ntime.sleep(1e6)\n\n\ndef build(width):\n    return None\n"},
        says="net.py:build cannot be predicted",
    ),
]


def _file(name, text, code, says, ok=None, command=f"{RUN} net.py:build"):
    return Case(name, command, code, files={"net.py": text}, says=says, ok=ok)


FILES = [
    _file("raises at import", "raise OSError('no disk')\n\n\ndef build(width):\n    return 1\n", 2, "OSError: no disk"),
    _file("exits at import", "import sys\nsys.exit('bye')\n\n\ndef build(width):\n    return 1\n", 2, "net.py"),
    _file(
        "ends its process at import",
        "import os\nos._exit(0)\n\n\ndef build(width):\n    return 1\n",
        1,
        "its exit code",
    ),
    _file("crashes", "import ctypes\n\n\ndef build(width):\n    ctypes.string_at(0)\n", 1, "SIGSEGV ended it"),
    _file("holds null bytes", b"def build(width):\n    return 1\n\0", 2, "net.py is not valid Python"),
    _file(
        "is in cp1252", "NAME = 'é'\n\n\ndef build(width):\n    return 1\n".encode("cp1252"), 2, "is not valid Python"
    ),
    _file(
        "is nested deeply", "x = " + "(" * 5000 + ")" * 5000 + "\n\n\ndef build(width):\n    return 1\n", 2, "net.py"
    ),
    _file("returns nothing", "def build(width):\n    pass\n", 2, "built a NoneType"),
    _file("closes the streams", "import os\nos.close(1), os.close(2)\n" + ONE, 0, "net.py:build", ok=2),
    _file(
        "prints without end",
        "import os\nos.system('yes | head -c 300000')\nprint('é' * 10**6)\n" + ONE,
        0,
        '"net.py:build"',
        ok=2,
        command=f"{RUN} net.py:build --json 2>noise && python -c 'import json; json.load(open(\"out.json\"))' "
        "|| exit 9".replace("2>noise", ">out.json 2>noise; code=$?; cat out.json; (exit $code)"),
    ),
    _file(
        "ends its process in doctor",
        "import os\n\n\ndef build(width):\n    os._exit(0)\n",
        1,
        "its exit code was 0",
        command="ntkbench doctor net.py:build",
    ),
    Case("is a folder", f"{RUN} net.py:build", 2, files={"net.py/readme": ""}, says="net.py is a folder."),
    *[
        Case(
            f"lies beside files named like Python's modules, with {executor}",
            # As the installed command does, and unlike `python -m`, without the working folder among the imports.
            RUN.replace(
                "ntkbench",
                "python -c 'import sys; sys.path.pop(0); from ntkbench.cli.main import main; sys.exit(main())'",
            )
            + f" net.py:build --executor {executor}",
            files={
                "net.py": ONE,
                **{
                    f"{name}.py": "raise RuntimeError('not Python')\n" for name in ("types", "random", "json", "typing")
                },
            },
            ok=2,
        )
        for executor in ("processes", "dask")
    ],
    Case("has a name of two encodings", f"{RUN} 'né✓ t.py:build' --json", files={"né✓ t.py": ONE}, ok=2),
]


def _edited(name, before, edit, path="net.py:build", code=0):
    """Run, edit, run again: the second run must not show the first one's numbers."""
    shown = "ntkbench export out --format csv | grep -v '^#'"
    return Case(
        f"edited: {name}",
        f"{RUN} {path} && {shown} >first; {edit} && {RUN} {path} >table 2>notes; code=$?; "
        f"{shown} >second; cmp -s first second && exit 9; exit $code",
        code,
        files=before,
        ok=4,
    )


DOUBLE = "sed -i 's/SCALE = 1.0/SCALE = 2.0/'"
EDITED = [
    _edited(
        "helper", {"net.py": "from helper import SCALE\n" + NET, "helper.py": "SCALE = 1.0\n"}, f"{DOUBLE} helper.py"
    ),
    _edited(
        "package through two __init__ files",
        {
            "net.py": "from pack import SCALE\n" + NET,
            "pack/__init__.py": "from .inner import SCALE\n",
            "pack/inner/__init__.py": "from .deep import SCALE\n",
            "pack/inner/deep.py": "SCALE = 1.0\n",
        },
        f"{DOUBLE} pack/inner/deep.py",
    ),
    _edited(
        "module that is exported again",
        {"net.py": "import a\nSCALE = a.b.SCALE\n" + NET, "a.py": "import b\n", "b.py": "SCALE = 1.0\n"},
        f"{DOUBLE} b.py",
    ),
    _edited("file behind a link", {"real/net.py": ONE}, f"{DOUBLE} real/net.py", path="link.py:build"),
    _edited(
        "module imported by name",
        {
            "net.py": "import importlib\nSCALE = importlib.import_module('helper').SCALE\n" + NET,
            "helper.py": "SCALE = 1.0\n",
        },
        f"{DOUBLE} helper.py",
    ),
    _edited(
        "data file that the build reads",
        {
            "net.py": "from pathlib import Path\nSCALE = float(Path(__file__).with_name('scale.txt').read_text())\n"
            + NET,
            "scale.txt": "1.0",
        },
        "echo 2.0 >scale.txt",
    ),
    Case(
        "a function that was renamed",
        f"{RUN} net.py:build && sed -i s/build/make/ net.py && {RUN} net.py:build",
        2,
        files={"net.py": ONE},
        says="Unknown function 'build' in net.py",
        ok=2,
    ),
]
INFO = "site/acme-1.0.dist-info"
PACKAGES = [
    Case(
        name,
        "ntkbench list >listed && ntkbench plugin list",
        files=files,
        environment={"PYTHONPATH": "site"},
        says=says,
    )
    for name, files, says in [
        (
            "entry points in binary",
            {f"{INFO}/entry_points.txt": b"\xff\xfe\0[ntkbench]", f"{INFO}/METADATA": "Name: acme\n"},
            "",
        ),
        (
            "entry points without a section",
            {f"{INFO}/entry_points.txt": "ntkbench\n", f"{INFO}/METADATA": "Name: acme\n"},
            "",
        ),
        ("metadata without a name", {f"{INFO}/entry_points.txt": "[ntkbench]\na = a\n", f"{INFO}/METADATA": "x\n"}, ""),
        ("a file for a folder of metadata", {INFO: "no folder"}, ""),
    ]
]
FOLDERS = [
    Case("no home", f"env -u HOME {RUN} linear", ok=2),
    Case("a home that is a file", f"HOME=$PWD/file {RUN} linear", files={"file": ""}, ok=2),
    Case("no folder for temporary files", f"TMPDIR=/nowhere {RUN} linear", ok=2),
    Case("a folder with spaces and letters", f"mkdir 'a é✓' && cd 'a é✓' && {RUN} linear", ok=2),
    Case("a run folder that is a file", f"{RUN} linear", 2, files={"out": "x"}, says="out"),
    Case("a folder that was deleted", f"mkdir gone && cd gone && rmdir ../gone && {RUN} linear", 2, says="another"),
    Case("a list from a folder that was deleted", "mkdir gone && cd gone && rmdir ../gone && ntkbench list"),
    Case("a link to itself among the cells", "ln -s loop.json run/cells/loop.json && ntkbench table run"),
    Case("a link to itself for cells", "rm -r run/cells; ln -s cells run/cells; ntkbench table run", 2, says="cells"),
    Case("a link to itself for the run", f"ln -s out out && {RUN} linear", 2, says="out"),
    Case(
        "a link to itself for the manifest",
        "cd run; rm manifest.json; ln -s manifest.json manifest.json; cd ..; ntkbench table run",
        2,
        says="manifest",
    ),
]  # fmt: skip
PIPES = [
    Case("a pipe among the cells", "mkfifo run/cells/a.json && ntkbench table run", says="it is a pipe or a device"),
    Case(
        "a pipe for the manifest", "cd run; rm manifest.json; mkfifo manifest.json; ntkbench table .", 2, says="a pipe"
    ),
    Case(
        "a pipe among the receipts",
        "mkfifo boards/submissions/b.json && ntkbench leaderboard build --boards boards",
        2,
        says="it is a pipe or a device",
    ),
    Case("a device among the cells", "ln -s /dev/zero run/cells/a.json && ntkbench table run", says="a device"),
    Case("a name that is too long", f"{RUN} linear --out {'x' * 300}", 2, says="File name too long"),
]
HANGING = [
    Case(
        f"{command} of a model that hangs",
        f"ntkbench {command} net.py:build --timeout 5",
        1,
        files={"net.py": "import os\n\n\ndef build(width):\n    os.system('sleep 100000')\n"},
        says="It did not finish within --timeout 5 s, and its process was killed.",
    )
    for command in ("doctor", "plugin check")
]
BOARDS = [
    Case(
        "a receipt there twice under two names",
        'sed \'s/"name":"a"/"name":"b"/\' boards/submissions/a.json >boards/submissions/b.json; '
        "ntkbench leaderboard build --boards boards",
        2,
        says="withdraw it",
    ),
    Case(
        "a board of markers", "echo '<<<<<<<' >>boards/v1/manifest.json && ntkbench leaderboard build --boards boards"
    ),
    *(
        Case(
            f"the name {name}",
            f"ntkbench leaderboard submit run --name {shlex.quote(name)} --boards boards",
            2,
            says="name",
        )
        for name in ("nul", "con.json", "a.", "..", "../a", "A", "а", "x" * 300, "", "a b")  # the lone а is Cyrillic
    ),
    Case(
        "the run of another name",
        "ntkbench leaderboard submit run --name b --boards boards",
        2,
        says="submitted only once",
    ),
    *(
        Case(
            f"{words.partition(' ')[0]} under a file",
            f"touch file && ntkbench leaderboard {words}",
            2,
            says="file/",
        )
        for words in (
            "submit run --name c --boards file/boards",
            "withdraw boards/submissions/a.json --by Ada --why x --boards file/boards",
            "site boards -o file/site",
        )
    ),
    Case(
        "a file in the place of the board",
        "rm -r boards/v1 && touch boards/v1 && ntkbench leaderboard build --boards boards",
        2,
        says="boards/v1 could not be created",
    ),
    Case(
        "a record by nobody",
        "ntkbench leaderboard verify boards/submissions/a.json --cells 0 --by Ada --boards boards",
        2,
        says="--by",
    ),
]
CASES = [*ENCODINGS, *STREAMS, *LIMITS, *FILES, *EDITED, *PACKAGES, *FOLDERS, *PIPES, *HANGING, *BOARDS]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with a finished run, a board of it, and the command `ntkbench`."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "bin").mkdir()
    for name, words in (("ntkbench", " -m ntkbench"), ("python", "")):
        (folder / "bin" / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)}{words} "$@"\n')
        (folder / "bin" / name).chmod(0o755)
    here = folder / "here"
    here.mkdir()
    boards = "--boards boards"
    done = shell(
        folder,
        here,
        f"ntkbench run --arch fc --widths 4,8,16 --seeds 2 --probes 2 --measure gradient_norm --quiet --out run && "
        f"ntkbench leaderboard submit run --name a {boards} && ntkbench leaderboard build {boards}",
    )
    assert done.returncode == 0, done.stderr
    return folder


def shell(prepared, folder, command, environment=()):
    """Run a line of bash in a folder, in which `ntkbench` is this one."""
    given = dict(environment)
    path = os.pathsep.join(filter(None, [str(ROOT), given.pop("PYTHONPATH", "") and str(folder / "site")]))
    surroundings = {
        **os.environ,
        "PATH": f"{prepared / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": path,
        "NTKBENCH_CACHE": str(prepared / "cache"),
        **given,
    }
    surroundings.pop("NTKBENCH_PLUGINS", None)
    return subprocess.run(["bash", "-c", command], cwd=folder, env=surroundings, capture_output=True, timeout=PATIENCE)


def results(folder):
    """Return the statuses of the cells that are stored under a folder's out."""
    files = [file for file in folder.rglob("out/cells/*.json") if not file.name.startswith(".")]
    return [json.loads(file.read_text(encoding="utf-8"))["status"] for file in files]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="bash and /dev/full")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_command(prepared, tmp_path, case):
    here = tmp_path / "here"
    shutil.copytree(prepared / "here", here)
    for name, content in case.files.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(content.encode() if isinstance(content, str) else content)
    if "link.py" in case.command:
        (here / "link.py").symlink_to("real/net.py")
    done = shell(prepared, here, case.command, case.environment)
    said = (done.stdout + done.stderr).decode(case.encoding)
    assert "Traceback" not in said and "unexpectedly" not in said, said[-2000:]
    assert done.returncode == case.code, said[-2000:]
    assert case.says in said, said[-2000:]
    if case.ok is not None:
        assert results(here).count("ok") == case.ok, said[-2000:]


def test_there_are_enough():
    assert len(CASES) >= 50 and len({case.name for case in CASES}) == len(CASES)
