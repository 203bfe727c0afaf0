from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps.canonical import canonical_json, content_hash

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1, "1.0"),
        (1.0, "1.0"),
        (-0.0, "0.0"),
        (0.1, "0.1"),
        (2**53 + 1, "9007199254740993"),
        ("β", '"\\u03b2"'),
        ((1, 2), "[1.0,2.0]"),
        ({"b": 1, "a": [None, False]}, '{"a":[null,false],"b":1.0}'),
    ],
)
def test_canonical_spelling(value, text):
    assert canonical_json(value) == text


@settings(deadline=None)
@given(plain)
def test_canonical_json_reads_back(value):
    assert json.loads(canonical_json(value)) == json.loads(json.dumps(value))


@settings(deadline=None)
@given(st.dictionaries(st.text(), plain, min_size=2, max_size=6))
def test_hash_ignores_the_order_of_keys(mapping):
    assert content_hash(dict(reversed(mapping.items()))) == content_hash(mapping)


def test_hash_is_stable_across_versions():
    # Keys of stored cells: a change here orphans every store.
    assert (
        content_hash({"beta": 1, "eta": 0.5, "input": "logits", "alpha": None})
        == "36d3ff8f61ad44a8eafb7ff61a69782ed3bcf5bad8d8c270f0d757e905a38cb0"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_what_json_lacks_is_refused(value):
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json(value)


@pytest.mark.parametrize("value", [b"x", {1}, object(), {1: 2}])
def test_other_types_are_refused(value):
    with pytest.raises(TypeError):
        canonical_json(value)
