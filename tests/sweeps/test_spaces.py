from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps.axes import MAX_REPLICATES, Axis, round_significant
from sweeps.spaces import check_distinct, grid, grid_size, parse_axis


@pytest.mark.parametrize(
    ("written", "values", "constant"),
    [
        (3, (3,), True),
        (0.5, (0.5,), True),
        ("logits", ("logits",), True),
        (None, (None,), True),
        ([1, 2], (1, 2), False),
        ((1, 2), (1, 2), False),
        ({"values": [-10, -1, 1]}, (-10, -1, 1), False),
        ({"values": [None, 0.25]}, (None, 0.25), False),
        ({"values": ["logits", "probabilities"]}, ("logits", "probabilities"), False),
        ({"values": [0]}, (0,), False),
        ({"range": [1, 4], "num": 4}, (1.0, 2.0, 3.0, 4.0), False),
        ({"range": [-1, 1], "num": 3}, (-1.0, 0.0, 1.0), False),
        ({"range": [0, 0.3], "num": 4}, (0.0, 0.1, 0.2, 0.3), False),
        ({"range": [5, 5], "num": 1}, (5.0,), False),
        ({"range": [1e-4, 1e-1], "num": 4, "scale": "log"}, (1e-4, 1e-3, 1e-2, 1e-1), False),
        ([0.1 * 3, -0.0], (0.3, 0.0), False),
        ({"range": [0, 1], "step": 0.25}, (0.0, 0.25, 0.5, 0.75, 1.0), False),
        ({"range": [0, 0.3], "step": 0.1}, (0.0, 0.1, 0.2, 0.3), False),
    ],
)
def test_every_form_of_an_axis(written, values, constant):
    axis = parse_axis(written)
    assert axis.values == values
    assert axis.constant is constant
    assert len(axis) == len(values)
    assert parse_axis(axis.to_plain()) == axis


def test_integers_stay_integers():
    assert all(type(value) is int for value in parse_axis([1, 2]).values)
    axis = parse_axis({"range": [10, 50], "num": 5}, kind="integer")
    assert axis.values == (10, 20, 30, 40, 50)
    assert all(type(value) is int for value in axis.values)
    assert type(parse_axis(60.0, kind="integer").values[0]) is int


@pytest.mark.parametrize(
    ("written", "kind", "axis"),
    [
        ({"range": [1, 30]}, "setting", Axis((), bounds=(1.0, 30.0))),
        (
            {"range": [1e-4, 0.1], "scale": "log"},
            "number",
            Axis((), bounds=(1e-4, 0.1), scale="log"),
        ),
        ({"range": [16, 512]}, "integer", Axis((), bounds=(16, 512), integer=True)),
    ],
)
def test_a_range_without_num_is_every_number_in_it(written, kind, axis):
    found = parse_axis(written, kind=kind)
    assert found == axis
    assert found.points == axis.bounds
    assert found.is_ordered
    assert len(found) == 0
    assert parse_axis(found.to_plain(), kind=kind) == found


@pytest.mark.parametrize(
    ("written", "ordered"),
    [
        ([3, 1, 2], True),
        ([None, 0.25], False),
        (["cosine", "constant"], False),
        ({"values": [16, 64], "ordered": False}, False),
        ({"values": ["small", "large"], "ordered": True}, True),
    ],
)
def test_numbers_have_an_order_and_words_have_one_if_told(written, ordered):
    axis = parse_axis(written)
    assert axis.is_ordered is ordered
    assert parse_axis(axis.to_plain()) == axis


def test_minus_zero_is_zero():
    assert math.copysign(1, parse_axis(-0.0).values[0]) == 1


FORMS = "a value, {values: [...]} or {range: [low, high], num: n}"


@pytest.mark.parametrize(
    ("written", "kind", "line"),
    [
        ([], "setting", "must have at least one value, but got an empty list. Add one."),
        (
            {"values": []},
            "setting",
            "must have at least one value, but got an empty list. Add one.",
        ),
        (True, "setting", f"must be a number, but got True. Write {FORMS}."),
        ([[1]], "setting", f"must be a number, but got [1]. Write {FORMS}."),
        ("fast", "number", f"must be a number, but got 'fast'. Write {FORMS}."),
        (None, "number", f"must be a number, but got None. Write {FORMS}."),
        (None, "integer", f"must be a number, but got None. Write {FORMS}."),
        (math.nan, "setting", "must be finite, but got nan. Give a number."),
        ([1, math.inf], "setting", "must be finite, but got inf. Give a number."),
        (-math.inf, "integer", "must be finite, but got -inf. Give a number."),
        (2**60, "setting", "must be at most 2**53 in size, but got 1.153e+18. Lower it."),
        (1.5, "integer", "must be a whole number, but got 1.5. Round it."),
        ([1, 1.0], "setting", "must list each value once, but got 1.0 twice. Remove one."),
        (["a", "a"], "setting", "must list each value once, but got 'a' twice. Remove one."),
        (
            {"vals": [1]},
            "setting",
            f"must be {FORMS}, but got unknown key 'vals'. Did you mean 'values'? "
            "Known: values, range, num, step, scale, ordered.",
        ),
        (
            {"num": 3},
            "setting",
            f"must be {FORMS}, but got neither values nor range. Write one of them.",
        ),
        (
            {},
            "setting",
            f"must be {FORMS}, but got neither values nor range. Write one of them.",
        ),
        (
            {"values": [1], "range": [1, 2]},
            "setting",
            f"must be {FORMS}, but got both values and range. Write one of them.",
        ),
        (
            {"values": [1], "num": 1},
            "setting",
            "must have num beside range only, but got it beside values. Drop it.",
        ),
        ({"values": 3}, "setting", "must have a list of values, but got 3. Use []."),
        (
            {"values": [1], "scale": "cubic"},
            "setting",
            "must have scale linear or log, but got 'cubic'. Leave it out.",
        ),
        (
            {"values": [0, 1], "scale": "log"},
            "setting",
            "must be above 0 throughout for scale log, but got [0, 1]. Use scale linear.",
        ),
        (
            {"range": 3, "num": 3},
            "setting",
            "must have a range of two ends, but got 3. Write [low, high].",
        ),
        (
            {"range": [1, 2, 3], "num": 3},
            "setting",
            "must have a range of two ends, but got [1, 2, 3]. Write [low, high].",
        ),
        (
            {"range": [2, 1], "num": 3},
            "setting",
            "must have range low <= high, but got [2, 1]. Swap the two.",
        ),
        (
            {"range": [1, "x"], "num": 3},
            "setting",
            f"must be a number, but got 'x'. Write {FORMS}.",
        ),
        (
            {"range": [1, math.nan], "num": 3},
            "setting",
            "must be finite, but got nan. Give a number.",
        ),
        (
            {"range": [0, 1], "num": 3, "scale": "log"},
            "setting",
            "must have range low > 0 for scale log, but got 0. Raise it or use scale linear.",
        ),
        (
            {"range": [1, 1]},
            "setting",
            "must have range low < high without num, but got [1, 1]. Write a single value.",
        ),
        (
            {"range": [0.5, 2]},
            "integer",
            "must be a whole number, but got 0.5. Round it.",
        ),
        (
            {"range": [-1.7e308, 1.7e308]},
            "setting",
            "must span less than the largest float, but got [-1.7e+308, 1.7e+308]. Narrow it.",
        ),
        (
            {"range": [1, 2], "num": 2, "step": 1},
            "setting",
            "must have num or step beside range, but got both. Drop one.",
        ),
        (
            {"range": [1, 2], "step": 0.3},
            "setting",
            "must have a step that leads from low to high, but got step 0.3 in [1, 2]. "
            "Change one of them.",
        ),
        (
            {"range": [1, 2], "step": -1},
            "setting",
            "must have a step above 0, but got -1. Raise it.",
        ),
        (
            {"range": [0, 1], "step": 1e-9},
            "setting",
            "must have at most 5,000,000 values, but got step 1e-09 in [0, 1]. Raise it.",
        ),
        (
            {"range": [1, 2], "step": 0.5, "scale": "log"},
            "setting",
            "must have num with scale log, but got step. Write how many values.",
        ),
        (
            {"values": [1, 2], "step": 1},
            "setting",
            "must have step beside range only, but got it beside values. Drop it.",
        ),
        (
            {"range": [1, 2], "ordered": True},
            "setting",
            "must have ordered beside values only, but got it beside range. Drop it.",
        ),
        (
            {"values": [1, 2], "ordered": "yes"},
            "setting",
            "must have ordered true or false, but got 'yes'. Leave it out.",
        ),
        *(
            (
                {"range": [1, 2], "num": num},
                "setting",
                f"must have a whole num from 1 to 5,000,000, but got {num!r}. "
                "Write how many values.",
            )
            for num in (0, -1, 2.0, True, "3", None, 10**12)
        ),
        (
            {"range": [1, 2], "num": 1},
            "setting",
            "must have num 1 exactly when low equals high, but got [1, 2] and num 1. "
            "Use num: 2 or more, or a single value.",
        ),
        (
            {"range": [1, 1], "num": 3},
            "setting",
            "must have num 1 exactly when low equals high, but got [1, 1] and num 3. Use num: 1.",
        ),
        (
            {"range": [-1.7e308, 1.7e308], "num": 3},
            "setting",
            "must span less than the largest float, but got [-1.7e+308, 1.7e+308]. Narrow it.",
        ),
        (
            {"range": [1, 1.0000000001], "num": 1000},
            "setting",
            "must have steps above 12 significant digits, but got 1000 values in "
            "[1, 1.0000000001]. Lower num.",
        ),
        (
            {"range": [1, 10], "num": 4, "scale": "log"},
            "integer",
            "must be a whole number, but got 2.15443469003. Round it.",
        ),
    ],
)
def test_bad_axis(written, kind, line):
    with pytest.raises(ValueError, match=r"^must ") as caught:
        parse_axis(written, kind=kind)
    assert str(caught.value) == line


@settings(deadline=None)
@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-3, 1e6), num=st.integers(2, 100))
def test_linear_range_has_its_ends_and_equal_steps(low, span, num):
    high = low + span
    axis = parse_axis({"range": [low, high], "num": num})
    assert len(axis) == num
    assert axis.values[0] == round_significant(low)
    assert axis.values[-1] == round_significant(high)
    assert list(axis.values) == sorted(set(axis.values))
    np.testing.assert_allclose(
        axis.values, np.linspace(low, high, num), rtol=1e-11, atol=1e-11 * max(span, abs(low))
    )


@settings(deadline=None)
@given(low=st.floats(1e-9, 1e3), factor=st.floats(1.01, 1e6), num=st.integers(2, 100))
def test_log_range_has_its_ends_and_equal_ratios(low, factor, num):
    high = low * factor
    axis = parse_axis({"range": [low, high], "num": num, "scale": "log"})
    assert axis.scale == "log"
    assert axis.values[0] == round_significant(low)
    assert axis.values[-1] == round_significant(high)
    np.testing.assert_allclose(axis.values, np.geomspace(low, high, num), rtol=1e-10)


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_rounding_is_close_and_idempotent(value):
    rounded = round_significant(value)
    assert rounded == round_significant(rounded)
    assert rounded == pytest.approx(value, rel=1e-11, abs=1e-320)


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6).map(round_significant), min_size=1, max_size=20, unique=True))
def test_distinct_values_read_back(values):
    axis = parse_axis(values)
    assert list(axis.values) == values
    assert parse_axis(axis.to_plain()) == axis
    with pytest.raises(ValueError, match="once"):
        check_distinct([*values, values[0]])


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(), min_size=1, max_size=4, unique=True), max_size=4))
def test_grid_is_the_product_row_major(lists):
    axes = {f"axis{i}": values for i, values in enumerate(lists)}
    cells = list(grid(axes))
    assert len(cells) == grid_size(axes) == math.prod(map(len, lists))
    assert len(set(cells)) == len(cells)
    places = [[values.index(v) for v, values in zip(cell, lists, strict=True)] for cell in cells]
    assert places == sorted(places)


def test_most_values_that_an_axis_may_have():
    with pytest.raises(ValueError, match="at most 5,000,000 values, but got 5,000,001"):
        parse_axis([0] * (MAX_REPLICATES + 1))


def test_scale_beside_values_is_kept():
    axis = parse_axis({"values": [1e-4, 1e-3], "scale": "log"})
    assert axis == Axis((1e-4, 1e-3), scale="log")
    assert axis.to_plain() == {"values": [1e-4, 1e-3], "scale": "log"}
