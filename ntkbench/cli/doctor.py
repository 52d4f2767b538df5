"""`ntkbench doctor`: report versions and devices, and test the numerics of all architectures or of one model."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from ..errors import NtkbenchError
from ..report.escape import visible
from ..streams import answer, answer_json, answering
from .columns import aligned
from .options import no_plugin, time_limit

if TYPE_CHECKING:
    from ..report.table import Table

MORE_PACKAGES = ("tensorflow-probability", "scipy", "pandas")
NAME_WIDTH = 20


@click.command("doctor")
@click.argument("model", required=False, metavar="[MODEL]")
@click.option(
    "--dataset",
    metavar="NAME",
    help="Dataset of the inputs: NAME or NAME:key=value,... [default: digits, or random inputs for a MODEL.keras].",
)
@click.option("--device", default="auto", metavar="NAME", help="Device: auto, cpu, gpu[:i] or tpu[:NAME].")
@time_limit("the test of a model or dataset that is not part of ntkbench")
@click.option("--json", "as_json", is_flag=True, help="Print only the full report, as JSON, to standard output.")
@no_plugin
@answering
def command(model: str | None, dataset: str | None, device: str, timeout: float, as_json: bool) -> int:
    """Test the numerics of every registered architecture at its smallest width, or of MODEL.

    MODEL is written as in `run --arch`: NAME, NAME:key=value,..., FILE.py:FUNCTION[:key=value,...] or MODEL.keras.
    First and second derivatives are compared with finite differences in float64, the tangent kernel is computed in two
    ways, and each model is evaluated twice. Every problem is reported with its layer and a replacement. Exits with 0
    when no problem is found, with 1 when one is found, and with 2 when the command is invalid.
    """
    from ..plan.arch_spec import parse_arch
    from ..plan.options import RunOptions
    from ..registry.current import registry as the_registry
    from ..runner.device import prepare
    from ..runner.examine import Inputs, examine, examine_apart
    from ..runner.limits import Limits

    limits = Limits(timeout)
    RunOptions(device=device)  # rejects an unknown device before TensorFlow starts
    registry = the_registry()
    inputs = Inputs(registry, dataset)
    requests, left_out = inputs.accepted(parse_arch(model or "all", registry))
    for label, reason in left_out.items():
        click.echo(f"Left out {visible(label)}: {visible(reason)}", err=True)
    if requests and requests[0].kind == "kernel":
        name = requests[0].name
        raise NtkbenchError(f"{name!r} is a kernel, not a model; check it with `ntkbench plugin check {name}`.")
    surroundings = _surroundings(prepare(device, quiet=True))
    if not as_json:
        answer("\n".join(_surroundings_lines(surroundings)) + "\n")
    found = []
    with _status() as say:
        for request in requests:
            say(request.label)
            others = {request.entry.distribution, inputs.dataset.distribution} - {"ntkbench", ""}
            if request.kind == "file" or others:
                spec = request.label if request.expanded else str(model)
                found.append(examine_apart(request, spec, dataset, device, limits))
            else:
                found.append(examine(request, inputs, with_routes=len(requests) == 1))
    problems = [str(problem) for problem in registry.problems]
    for each in found:
        label = each["model"]
        problems += [text if text.startswith(label) else f"{label}: {text}" for text in each["problems"]]
    if as_json:
        everything = {"ok": not problems, "problems": problems, **surroundings, "models": found}
        answer_json(everything)
    else:
        answer(_table(found, inputs.label).text().rstrip("\n"))
        for each in found:
            if each["routes"]:
                answer("\n" + "\n".join(_routes_lines(each["routes"])))
        answer("\n" + "\n".join(_verdict_lines(found, problems)))
    return 1 if problems else 0


def _surroundings(device: str) -> dict[str, Any]:
    """Return versions, hardware and devices as plain JSON."""
    from importlib import metadata

    import tensorflow as tf

    from ..plan.cost import machine_memory_gib
    from ..store.provenance import PACKAGES, provenance

    known = provenance()
    versions = {"python": known["python"], **{package: known[package] for package in PACKAGES}}
    for package in MORE_PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    devices = []
    for each in tf.config.list_physical_devices():
        name = each.name.removeprefix("/physical_device:")
        details = tf.config.experimental.get_device_details(each) if each.device_type == "GPU" else {}
        devices.append(f"{name} {details.get('device_name', '')}".strip())
    return {
        "versions": versions,
        "platform": known["platform"],
        "cpu": known["cpu"],
        "cores": known["threads"]["available"],
        "memory_gib": round(machine_memory_gib(), 1),
        "devices": devices,
        "device": device,
        "tensor_float_32": tf.config.experimental.tensor_float_32_execution_enabled(),
    }


def _surroundings_lines(found: Mapping[str, Any]) -> list[str]:
    state = "on: relative errors of about 1e-3 on GPUs that support it"
    state = state if found["tensor_float_32"] else "off, as in every run"
    rows = [
        ("versions", ", ".join(f"{name} {version}" for name, version in found["versions"].items())),
        ("machine", f"{found['cpu']}, {found['cores']} cores, {found['memory_gib']:g} GiB; {found['platform']}"),
        ("devices", f"{', '.join(found['devices'])}; computing on {found['device']}"),
        ("TensorFloat-32", state),
    ]
    return aligned([tuple(map(visible, row)) for row in rows], limits={1: 82})


def _table(found: Sequence[Mapping[str, Any]], inputs: str) -> Table:
    from ..engine.checks import KERNEL_TOLERANCE, TOLERANCE
    from ..report.table import Column, Table

    precisions = sorted({each["precision"] for each in found if each["precision"]})
    rows = [
        (
            each["model"],
            "–" if each["width"] is None else str(each["width"]),
            "–" if each["parameters"] is None else f"{each['parameters']:,}",
            *(_error(each[name]) for name in ("repeat", "gradient", "hessian", "symmetry", "kernel")),
            "✗" if each["problems"] else "✓" if each["sure"] else "?",
        )
        for each in found
    ]
    headers = ("width", "weights", "twice", "gradient", "Hessian", "symmetry", "kernel")
    columns = [Column(("model",), outside=True), *(Column((name,), "right") for name in headers), Column(("",))]
    allowed = [f"{_error(TOLERANCE[name])} in {name}" for name in precisions]
    kernel = [f"{_error(KERNEL_TOLERANCE[name])} in {name}" for name in precisions]
    notes: tuple[str, ...] = (
        "Relative errors. twice: two calls with the same weights and inputs; 0 means equal bit for bit. gradient: "
        "against finite differences of the output. Hessian: its product with a random vector, against finite "
        "differences of the gradient. symmetry: of the Hessian. Tolerance of the last three: "
        f"{' and '.join(allowed)}.",
        "kernel: the tangent kernel from the Jacobian, against the one from layer rules (from products with vectors if "
        f"no layer has a rule). Tolerance: {' and '.join(kernel)}.",
    )
    if len(precisions) > 1:
        low = ", ".join(each["model"] for each in found if each["precision"] == "float32")
        notes += (f"Tested in float32, because no float64 copy could be made: {low}.",)
    return Table(
        title=" · ".join(["Numerical self-test", inputs, *(precisions if len(precisions) == 1 else [])]),
        columns=tuple(columns),
        rows=tuple((_name_lines(name), *((cell,) for cell in cells)) for name, *cells in rows),
        notes=notes if precisions else (),
        records=tuple(found),
    )


def _name_lines(label: str) -> tuple[str, ...]:
    if len(label) <= NAME_WIDTH:
        return (label,)
    name, colon, params = label.rpartition(":")
    return (*textwrap.wrap(name + colon, NAME_WIDTH), *(f"  {line}" for line in textwrap.wrap(params, NAME_WIDTH - 2)))


def _error(number: float | None) -> str:
    from .. import numbers

    return numbers.value(number, digits=1)


def _routes_lines(routes: Mapping[str, Any]) -> list[str]:
    rows = [("layer", "count", "weights", "with a rule", "derivatives")]
    for each in routes["layers"]:
        known = "known to be correct" if each["known"] else "checked here"
        ruled = str(each["ruled"]) if each["weights"] else "–"
        rows.append((each["kind"], str(each["count"]), f"{each['weights']:,}", ruled, known))
    return [
        f"Routes of method='auto': kernel {routes['kernel']}, Hessian norm {routes['hessian']}.",
        "",
        *aligned([tuple(map(visible, row)) for row in rows], right=(1, 2, 3), limits={0: 40}),
    ]


def _verdict_lines(found: Sequence[Mapping[str, Any]], problems: Sequence[str]) -> list[str]:
    unsure = [each["model"] for each in found if not each["sure"] and not each["problems"]]
    lines = [f"✗ {problem}" for problem in problems]
    if unsure:
        lines.append(
            f"? {', '.join(unsure)}: undecided; kinks or rounding leave no step size at which finite differences are "
            "reliable."
        )
    if not lines:
        lines.append("No problems found." if len(found) == 1 else f"No problems found in {len(found)} models.")
    return [
        line
        for text in lines
        for line in textwrap.wrap(visible(text), 100, subsequent_indent="  ", break_on_hyphens=False)
    ]


@contextmanager
def _status() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows on a terminal which model is being tested."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status("") as status:
        yield lambda label: status.update(Text(f"testing {visible(label)}"))
