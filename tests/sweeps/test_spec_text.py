from __future__ import annotations

import math

import pytest

from sweeps.errors import SpecError
from sweeps.spec_text import apply_overrides, check_plain, parse_override, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.0e-3", 0.001),
        (".5", 0.5),
        ("1.", 1.0),
        ("+5", 5),
        ("010", 10),
        ("true", True),
        ("on", "on"),
        ("no", "no"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2024-01-31", "2024-01-31"),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("[1, 2]", [1, 2]),
        ("a: &x {b: 1}\nc: {<<: *x, b: 2}", {"a": {"b": 1}, "c": {"b": 2}}),
    ],
)
def test_yaml_values(text, value):
    read = parse_yaml(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\na: 2", "must be valid YAML, but key 'a' is given twice (line 2, column 1)."),
        (
            "{a: {b: 1, b: 2}}",
            "must be valid YAML, but key 'b' is given twice (line 1, column 12).",
        ),
        (
            "a: [",
            "must be valid YAML, but expected the node content, but found '<stream end>' "
            "(line 1, column 5).",
        ),
        ("a: 1\n---\nb: 2", "must be valid YAML, but found another document (line 2, column 1)."),
        (
            "a: !!python/object:os.system x",
            "must be valid YAML, but could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object:os.system' (line 1, column 4).",
        ),
        ("a: &x [*x]", "must nest at most 32 levels deep. Flatten it."),
        ("[" * 5000, "must nest less deeply. Flatten it."),
        ("1: 2", "keys must be text, but got 1 under the top. Quote it."),
        ("a: {true: 2}", "keys must be text, but got True under a. Quote it."),
        ("a: !!set {x}", "a must be a plain value, but got a set. Write it as text."),
    ],
)
def test_bad_yaml(text, line):
    with pytest.raises(SpecError) as caught:
        parse_yaml(text)
    assert str(caught.value) == line


def test_a_few_lines_that_stand_for_billions_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    with pytest.raises(SpecError, match="at most 1,000,000 values"):
        parse_yaml("\n".join(lines))


def test_check_plain_refuses_other_types():
    with pytest.raises(SpecError, match="b must be a plain value, but got a complex"):
        check_plain({"a": 1, "b": [1j]})


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("training.epochs=10", ("training.epochs", "10")),
        ("data.path=a=b", ("data.path", "a=b")),
        (" seeds =3", ("seeds", "3")),
        ("description=", ("description", "")),
    ],
)
def test_parse_override(text, pair):
    assert parse_override(text) == pair


@pytest.mark.parametrize("text", ["", "epochs", "=3", "training.=3", ".epochs=3"])
def test_bad_override(text):
    with pytest.raises(SpecError) as caught:
        parse_override(text)
    assert str(caught.value) == (
        f"--set must be KEY=VALUE, but got {text!r}. Write for example training.epochs=10."
    )


def test_overrides_change_add_and_take_the_last():
    document = {"training": {"epochs": 60}, "losses": {"bce": None}}
    apply_overrides(
        document,
        [
            ("training.epochs", "5"),
            ("training.epochs", "10"),
            ("training.lr", "1e-3"),
            ("head.kind", "linear"),
            ("losses.bce.pos_weight", "{values: [1, 2]}"),
            ("losses.focal", "{gamma: 2}"),
            ("seeds", "[3, 4]"),
        ],
    )
    assert document == {
        "training": {"epochs": 10, "lr": 0.001},
        "head": {"kind": "linear"},
        "losses": {"bce": {"pos_weight": {"values": [1, 2]}}, "focal": {"gamma": 2}},
        "seeds": [3, 4],
    }


def test_override_of_one_of_two_keys_that_share_an_anchor():
    document = parse_yaml("losses: {focal: &a {gamma: 1}, other: *a}")
    apply_overrides(document, [("losses.focal.gamma", "2")])
    assert document == {"losses": {"focal": {"gamma": 2}, "other": {"gamma": 1}}}


def test_override_through_a_value_is_refused():
    with pytest.raises(SpecError) as caught:
        apply_overrides({"seeds": 5}, [("seeds.num", "3")])
    assert str(caught.value) == (
        "--set seeds.num=3: seeds must be a mapping, but got 5. Set seeds itself."
    )


def test_override_that_is_no_yaml():
    with pytest.raises(SpecError) as caught:
        apply_overrides({}, [("seeds", "[1")])
    assert str(caught.value).startswith("--set seeds=[1: the value must be valid YAML, but ")
