from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from storage import codec
from storage.errors import RecordError, StoreCorruptError

MAX_ERROR = 8e-6
shapes = st.tuples(st.integers(0, 11), st.integers(0, 40))
unit = st.one_of(st.floats(0, 1), st.just(float("nan")))


@given(shapes.flatmap(lambda shape: hnp.arrays(np.float64, shape, elements=unit)))
def test_fixed_point_errs_by_less_than_8e_6_and_keeps_nan(values):
    decoded = codec.decode_fixed(codec.encode_fixed(values), values.shape)
    assert decoded.shape == values.shape
    assert (np.isnan(decoded) == np.isnan(values)).all()
    assert (np.nan_to_num(np.abs(decoded - values)) < MAX_ERROR).all()


def test_ends_are_exact_and_rounding_is_forgiven():
    values = np.array([[0.0, 1.0, 1 + 1e-7, -1e-7]])
    decoded = codec.decode_fixed(codec.encode_fixed(values), values.shape)
    np.testing.assert_array_equal(decoded, [[0, 1, 1, 0]])


@pytest.mark.parametrize("value", [1.001, -0.001, np.inf, -np.inf])
def test_outside_the_unit_interval_is_refused(value):
    with pytest.raises(RecordError, match=r"\[0, 1\]"):
        codec.encode_fixed(np.array([[0.5, value]]))


def test_one_row_equals_the_row_of_all():
    values = np.random.default_rng(0).random((11, 50))
    blob = codec.encode_fixed(values)
    whole = codec.decode_fixed(blob, values.shape)
    np.testing.assert_array_equal(codec.decode_fixed(blob, values.shape, 7), whole[7])


@given(hnp.arrays(np.float32, shapes, elements=st.floats(width=32)))
def test_curves_are_bit_exact(values):
    decoded = codec.decode_curve(codec.encode_curve(values), values.shape)
    assert decoded.tobytes() == values.tobytes()


@given(hnp.arrays(np.float64, st.integers(0, 30), elements=st.floats()))
def test_scores_are_bit_exact(values):
    decoded = codec.decode_float64(codec.encode_float64(values), len(values))
    assert decoded.tobytes() == values.tobytes()


def test_smooth_curves_take_less_than_two_bytes_a_value():
    thresholds, slopes = np.linspace(-5, 5, 11)[:, None], np.linspace(1, 2, 200)
    values = 1 / (1 + np.exp(-thresholds * slopes))
    assert len(codec.encode_fixed(values)) < 2 * values.size


def test_damaged_blocks_are_reported():
    values = np.random.default_rng(0).random((11, 50))
    blob = codec.encode_fixed(values)
    for broken in (blob[:-20], b"", b"\0" * 40):
        with pytest.raises(StoreCorruptError, match="damaged"):
            codec.decode_fixed(broken, values.shape)
    with pytest.raises(StoreCorruptError, match="damaged"):
        codec.decode_fixed(blob, (11, 51))
    with pytest.raises(StoreCorruptError, match="damaged"):
        codec.decode_float64(b"\0" * 7, 1)


def test_chunks_cover_all_thresholds():
    assert [codec.chunk_of(k) for k in (0, 10, 11, 100)] == [(0, 0), (0, 10), (1, 0), (9, 1)]
