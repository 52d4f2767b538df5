"""A cell's result survives its JSON text; damaged text is reported in a sentence."""

from __future__ import annotations

import hashlib
import json
import math

import attrs
import pytest
from factories import cell, failed, result
from hypothesis import example, given, strategies as st

from ntkbench.errors import NtkbenchError
from ntkbench.store.cell_file import decode, encode
from ntkbench.types import Curve, Status, Value, digest

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(
    value=FINITE | st.none(),
    error=FINITE | st.none(),
    message=st.text(),
    width=st.integers(1, 2**31),
    depth=st.integers(),
)
def test_round_trip_is_exact(value, error, message, width, depth):
    of = cell(width=width, params={"depth": depth, "name": message})
    original = result(of, values={"gradient_norm": Value(value, error, "bound", "float64")}, message=message)
    assert decode(encode(original), "here") == original


@given(ys=st.lists(FINITE, min_size=1, max_size=20), step=st.sampled_from([1.0, 0.1, 1e300]))
def test_curves_round_trip_exactly(ys, step):
    curves = {"loss": Curve([step * i for i in range(len(ys))], ys, "step", "loss"), "a": Curve([0], [1], "s", "a")}
    original = attrs.evolve(result(), curves=curves)
    assert decode(encode(original), "here") == original


def test_curves_are_covered_by_the_checksum_and_take_few_bytes():
    steps = range(0, 1000, 10)
    text = encode(attrs.evolve(result(), curves={"loss": Curve(steps, [0.5] * 100, "step", "loss")}))
    assert len(text) - len(encode(result())) < 100 * 9 and '"x":[0,10,20' in text
    with pytest.raises(NtkbenchError, match="its checksum does not match"):
        decode(text.replace('"x":[0,10,20', '"x":[0,10,21'), "here")


@pytest.mark.parametrize(
    ("curves", "version", "says"),
    [
        ({"loss": {"x_unit": "step", "x": [0, 1], "y": [1]}}, 2, "2 abscissas and 1 ordinates"),
        ({"loss": {"x_unit": "step", "x": [0], "y": ["1"]}}, 2, "Expected `float`, got `str`"),
        ({"loss": {"x_unit": "step", "x": [0], "y": [None]}}, 2, "Expected `float`, got `null`"),
        ({"loss": {"x": [0], "y": [1]}}, 2, "required field `x_unit`"),
        ({"loss": {"x_unit": "step", "x": [0], "y": [1], "z": []}}, 2, "unknown field `z`"),
        ({"loss": {"x_unit": "step", "x": [0], "y": [1]}}, 1, "has curves, which schema_version 1 does not have"),
    ],
)
def test_damaged_curves_are_a_sentence(curves, version, says):
    record = without("checksum")(json.loads(encode(result()))) | {"curves": curves, "schema_version": version}
    with pytest.raises(NtkbenchError, match=says):
        decode(json.dumps(record), "here")


@pytest.mark.parametrize("version", [1, 2])
def test_both_schema_versions_are_read(version):
    record = without("checksum")(json.loads(encode(result()))) | {"schema_version": version}
    assert decode(json.dumps(record), "here") == result()


def test_a_path_that_is_no_text_survives():
    original = result(cell(architecture="m\udcffy.py:model"), message="m\udcffy.py is not there")
    assert decode(encode(original), "here") == original


def test_failed_cells_survive():
    for status in Status:
        for traceback in ("", "  File here\nNo: luck"):
            original = attrs.evolve(failed(status=status, message="why"), traceback=traceback)
            assert decode(encode(original), "here") == original


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_becomes_null(number):
    text = encode(result(values={"gradient_norm": Value(number, number)}, provenance={"load": [number]}))
    assert "NaN" not in text and "Infinity" not in text
    assert decode(text, "here").values["gradient_norm"] == Value(None, None)
    assert decode(text, "here").provenance == {"load": [None]}


def test_numpy_numbers_become_plain():
    numpy = pytest.importorskip("numpy")
    value = Value(numpy.float32(0.25), numpy.float64(1e-3), "rounding")
    text = encode(
        result(values={"gradient_norm": value}, n_parameters=numpy.int64(7), provenance={"n": numpy.int32(3)})
    )
    read = decode(text, "here")
    assert read.values["gradient_norm"].value == 0.25 and read.n_parameters == 7 and read.provenance == {"n": 3}


def change(**fields):
    return lambda record: record | fields


def change_cell(**fields):
    return lambda record: record | {"cell": record["cell"] | fields}


def without(name):
    return lambda record: {key: value for key, value in record.items() if key != name}


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (change(schema_version=99), "schema_version 99"),
        (change(schema_version=99, colour="red"), "schema_version 99"),
        (change(status="running"), "Invalid enum value 'running' - at `$.status`"),
        (change(values=[]), "Expected `object`, got `array` - at `$.values`"),
        (change(values={"a": {"value": 1, "error": None, "precision": None}}), "missing required field `error_kind`"),
        (change(values={"a": 3}), "Expected `object`, got `int` - at `$.values[...]`"),
        (
            change(values={"a": {"value": "1", "error": None, "error_kind": "", "precision": None}}),
            "Expected `float | null`, got `str`",
        ),
        (
            change(values={"a": {"value": 1, "error": None, "error_kind": "guess", "precision": None}}),
            "Invalid enum value 'guess'",
        ),
        (change(seconds=True), "Expected `float | null`, got `bool` - at `$.seconds`"),
        (change(key="0" * 32), "not the hash"),
        (change(cell=None), "Expected `object`, got `null` - at `$.cell`"),
        (change_cell(width=128), "not the hash"),
        (change_cell(width="64"), "Invalid enum value '64' - at `$.cell.width`"),
        (change_cell(width=64.0), "Expected `int | str`, got `float` - at `$.cell.width`"),
        (change_cell(settings={"radius": "wide"}), "the setting radius is 'wide', which is not a positive number"),
        (change_cell(settings={"radius": 0}), "the setting radius is 0"),
        (change_cell(settings={"n_probes": 2**63}), "the setting n_probes is 9223372036854775808"),
        (change_cell(settings={"draws": True}), "the setting draws is True, which is not a positive integer"),
        (change_cell(settings={"tol": [1]}), "the setting tol is [1]"),
        (change_cell(params={"depth": [None]}), "at `$.cell.params[...]`"),
        (change_cell(seed=-1), "at `$.cell.seed`"),
        (change_cell(width=2**63), "at `$.cell.width`"),
        (change(n_probes=2**63), "at `$.n_probes`"),
        (change(n_parameters=10**400), "at `$.n_parameters`"),
        (change(seconds=-1), "at `$.seconds`"),
        (change_cell(quantities=[1]), "Expected `str`, got `int` - at `$.cell.quantities[0]`"),
        (change_cell(extra=1), "unknown field `extra`"),
        (lambda record: record | {"cell": without("width")(record["cell"])}, "required field `width` - at `$.cell`"),
        (without("label"), "missing required field `label`"),
        (change(message="better"), "its checksum does not match"),
        (change(checksum=None), "its checksum does not match"),
        (change(chocksum="0" * 32), "unknown field `chocksum`"),
        (change(**{"\x1b[31m" + "x" * 999: 1}), "unknown field `\\x1b[31mxx"),
    ],
)
def test_damage_is_a_sentence_that_names_the_file(damage, says):
    record = damage(json.loads(encode(result())))
    with pytest.raises(NtkbenchError) as caught:
        decode(json.dumps(record), "run/cells/abc.json")
    assert "run/cells/abc.json" in str(caught.value) and says in str(caught.value)


@pytest.mark.parametrize(
    ("written", "instead", "says"),
    [
        (', "reinit": false', "", "missing required field `reinit`"),
        (', "numerics_version": 3', "", "missing required field `numerics_version`"),
        ('"reinit": false', '"reinit": false, "hue": 1', "unknown field `hue`"),
    ],
)
def test_a_cell_of_another_ntkbench_is_not_completed_from_defaults(written, instead, says):
    body, mark, _ = encode(result()).rpartition(',\n "checksum": "')
    assert written in body
    body = body.replace(written, instead)
    whole = f'{body}{mark}{hashlib.sha256(body.encode()).hexdigest()[:32]}"\n}}\n'
    with pytest.raises(NtkbenchError, match=says):
        decode(whole, "here")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", b"\xff\xfe\x00", "[" * 100_000, '{"schema_version": NaN}', "9" * 9999]
)
def test_text_that_is_no_json_object(text):
    with pytest.raises(NtkbenchError, match=r"here is damaged"):
        decode(text, "here")


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_sentence(data):
    with pytest.raises(NtkbenchError):
        decode(data, "here")


WRITTEN = encode(result(cell(params={"depth": 2, "name": "é"}), message="a\nb", provenance={"load": 0.25})).encode()


def reads_the_same_or_not_at_all(data):
    try:
        read = decode(data, "here")
    except NtkbenchError:
        return
    assert read == decode(WRITTEN, "here")


@given(place=st.integers(0, len(WRITTEN) - 1), byte=st.integers(0, 255))
def test_a_byte_that_changed_never_changes_a_result(place, byte):
    reads_the_same_or_not_at_all(WRITTEN[:place] + bytes([byte]) + WRITTEN[place + 1 :])


def test_a_digit_that_changed_is_noticed_everywhere():
    digits = [place for place, byte in enumerate(WRITTEN) if chr(byte).isdigit()]
    for place in digits:
        other = b"1" if WRITTEN[place : place + 1] != b"1" else b"2"
        with pytest.raises(NtkbenchError):
            decode(WRITTEN[:place] + other + WRITTEN[place + 1 :], "here")
    assert len(digits) > 50


@given(end=st.integers(0, len(WRITTEN) - 3))
def test_a_text_that_was_cut_is_noticed(end):
    with pytest.raises(NtkbenchError):
        decode(WRITTEN[:end], "here")


@given(start=st.integers(0, len(WRITTEN)), size=st.integers(1, 4096), filler=st.sampled_from([b"\0", b"", b" ", b"9"]))
@example(start=0, size=4096, filler=b"\0")  # what a file system leaves of a file that it had no time to write
def test_a_block_that_was_lost_never_changes_a_result(start, size, filler):
    reads_the_same_or_not_at_all(WRITTEN[:start] + filler * size + WRITTEN[start + size :])


def test_other_line_ends_are_the_same_result_and_other_forms_are_edits():
    assert decode(WRITTEN.replace(b"\n", b"\r\n"), "here") == decode(WRITTEN, "here")
    assert decode(WRITTEN.decode(), "here") == decode(WRITTEN, "here")
    with pytest.raises(NtkbenchError, match="its checksum does not match"):
        decode(json.dumps(json.loads(WRITTEN)), "here")


def test_a_key_that_was_read_is_the_cells():
    read = decode(WRITTEN, "here").cell
    assert read.key == digest(read.identity()) == json.loads(WRITTEN)["key"]


def test_texts_without_a_checksum_are_read():
    record = without("checksum")(json.loads(WRITTEN))
    assert decode(json.dumps(record), "here") == decode(WRITTEN, "here")
