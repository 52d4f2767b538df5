"""The self-test of single models, as `ntkbench doctor` reports it: inputs, building, and a process of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import asdict

from ..errors import NtkbenchError
from ..nests import is_nest, shapes
from ..plan.arch_spec import parse_arch, parse_params
from ..plan.data import form_for, load_data
from ..plan.keras_file import KerasArchitecture
from ..plan.preset import modest_width
from ..plan.probes import fits
from ..registry.current import registry as the_registry
from ..types import Cell
from .executors.apart import apart

if TYPE_CHECKING:
    from ..engine.model import Network
    from ..plan.arch_spec import ArchitectureRequest
    from ..registry.manager import Registry
    from ..registry.specs import Dataset
    from ..types import Form
    from .limits import Limits

ERRORS = ("repeat", "coupled", "gradient", "hessian", "symmetry")
OPEN_SIZE = 32  # used for an axis of unknown size in a saved model's input shape


class Inputs:
    """The inputs at which models are tested: those of a dataset, or random ones of a saved model's input shape."""

    def __init__(self, registry: Registry, given: str | None):
        self.given = given
        name, _, words = (given or "digits").partition(":")
        self.dataset: Dataset = registry.get("datasets", name)
        self.params = self.dataset.resolve(parse_params(words, given or name))
        self.label = given or "digits"

    def accepted(self, requests: Sequence[ArchitectureRequest]) -> tuple[list[ArchitectureRequest], dict[str, str]]:
        """Return the requests that accept these inputs, and the reasons against the others by their labels.

        Raises:
            NtkbenchError: A model requested by its own name does not accept them.
        """
        kept, left_out = [], {}
        for request in requests:
            try:
                self._check(request)
            except NtkbenchError as error:
                if not request.expanded:
                    raise
                left_out[request.label] = str(error)
            else:
                kept.append(request)
        return kept, left_out

    def _check(self, request: ArchitectureRequest) -> None:
        if self.form(request) is not None and isinstance(request.entry, KerasArchitecture):
            given, wanted = shapes(self.draw(request)), request.entry.input_shape
            if not fits(given, wanted):
                raise NtkbenchError(
                    f"{request.label} takes inputs of shape {_listed(wanted)}, but dataset {self.dataset.name!r} has "
                    f"inputs of shape {_listed(given)}. Omit --dataset to use random inputs."
                )

    def form(self, request: ArchitectureRequest) -> Form | None:
        """Return the form of the data, None for random inputs; raise NtkbenchError if no form fits."""
        if request.kind == "keras" and self.given is None:
            self.label = "random inputs"
            return None
        return form_for(request.entry, request.entry.resolve(request.params), self.dataset)

    def draw(self, request: ArchitectureRequest) -> Any:
        """Return a few inputs [n, ...]: an array or a nest of arrays."""
        from ..engine.self_test import SAMPLES

        form = self.form(request)
        if form is not None:
            return load_data(self.dataset, self.params, form=form, n=SAMPLES, seed=0)[0]
        assert isinstance(request.entry, KerasArchitecture)
        return _drawn(np.random.default_rng(0), SAMPLES, request.entry.input_shape, request.entry.types)


def _drawn(rng: np.random.Generator, n: int, shape: Any, types: Any) -> Any:
    """Return random inputs [n, ...] of a nest of shapes: normal numbers, or zeros and ones for other types."""
    if isinstance(shape, dict):
        return {key: _drawn(rng, n, shape[key], types[key]) for key in shape}
    if isinstance(shape, list):
        return [_drawn(rng, n, *pair) for pair in zip(shape, types, strict=True)]
    x = rng.standard_normal((n, *(OPEN_SIZE if size is None else size for size in shape)))
    return x if "float" in types else (x > 0).astype(types)  # 0 and 1 are valid indices of every vocabulary


def _listed(shape: Any) -> Any:
    """Return a shape, or a nest of shapes, as it is written in messages."""
    if isinstance(shape, dict):
        return {key: _listed(each) for key, each in shape.items()}
    return list(shape) if isinstance(shape, tuple) else [_listed(each) for each in shape]


def examine(request: ArchitectureRequest, inputs: Inputs, *, with_routes: bool) -> dict[str, Any]:
    """Return the self-test of one model as plain JSON; failing to build or call the model is reported as a problem."""
    from ..engine.self_test import routes_of, self_test
    from .worker import sentence

    found = _unexamined(request)
    try:
        net, x = _built(request, inputs)
        test = self_test(net, x)
        derivatives = test.derivatives
        found |= {
            "parameters": net.size,
            "precision": test.precision,
            **{name: _finite(getattr(derivatives, name)) for name in ERRORS},
            "kernel": _finite(test.kernel),
            "kernel_routes": list(test.routes),
            "sure": derivatives.sure,
            "problems": test.problems,
        }
        if with_routes:
            found["routes"] = asdict(routes_of(net, x))
    except Exception as error:
        found["problems"] = [*found["problems"], sentence(error)]
    return found


def _unexamined(request: ArchitectureRequest) -> dict[str, Any]:
    return {
        "model": request.label,
        "width": None if request.kind == "keras" else _width(request),
        **dict.fromkeys(("parameters", "precision", "repeat", "coupled", "gradient", "hessian", "symmetry", "kernel")),
        "kernel_routes": [],
        "sure": False,
        "problems": [],
        "routes": None,
    }


def examine_apart(
    request: ArchitectureRequest, model: str, dataset: str | None, device: str, limits: Limits
) -> dict[str, Any]:
    """Return the self-test of a model with code of the user's own or of a plugin, run in a separate process.

    A crash, an error and a time limit that is exceeded are reported as problems.
    """
    try:
        return next(apart(_examine_all, model, dataset, device=device, limits=limits))
    except NtkbenchError as error:
        return {**_unexamined(request), "problems": [str(error)]}


def _examine_all(model: str, dataset: str | None) -> Iterator[dict[str, Any]]:
    """Yield the self-test of each model of one SPEC."""
    inputs = Inputs(the_registry(), dataset)
    requests, _ = inputs.accepted(parse_arch(model, the_registry()))
    yield from (examine(request, inputs, with_routes=len(requests) == 1) for request in requests)


def _built(request: ArchitectureRequest, inputs: Inputs) -> tuple[Network, Any]:
    """Return the model in float64, or in float32 if float64 is not possible, together with suitable inputs."""
    from ..engine.model import Network, network_in
    from .build import build_model, seed_of
    from .coordinates import batch_of, in_coordinates
    from .worker import check_output, output_name

    x = inputs.draw(request)
    cell = Cell(
        architecture=request.name,
        params=request.entry.params_of_cells(request.params),
        width=_width(request),
        seed=0,
        dataset=inputs.dataset.name,
        dataset_params=inputs.params,
        measurement="",
        quantities=(),
        settings={},
        precision="float64",
    )
    for precision in ("float64", "float32"):
        try:
            about = {"vocabulary": inputs.dataset.vocabulary, "example": x if is_nest(x) else None}
            model = build_model(request.entry, cell, shapes(x), precision, **about)
            own, form = request.entry, inputs.form(request)
            batch = (
                partial(inputs.draw, request) if form is None else batch_of(inputs.dataset, inputs.params, form, 0, x)
            )
            model = in_coordinates(model, batch, units=own.units, redraw=own.redraw, seed=seed_of(cell))
            built = Network(model, output_name=output_name(request.entry, cell.params))
            if (
                not is_nest(x)
                and x.dtype.kind == "f"
                and "int" in str(getattr((getattr(built.model, "inputs", None) or [None])[0], "dtype", ""))
            ):
                x = (x > 0).astype("int32")  # 0 and 1 are valid indices of every vocabulary
            check_output(built, x, request.label)
            net = network_in(built, x, precision)
            break
        except Exception:
            if precision == "float32":
                raise
    return net, x


def _width(request: ArchitectureRequest) -> int:
    return 1 if request.kind == "keras" else modest_width(request.entry.widths)


def _finite(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else number
