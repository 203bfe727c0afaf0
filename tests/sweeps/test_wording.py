from __future__ import annotations

import pytest

from sweeps.wording import nearest, short, suggestion, unknown_key


@pytest.mark.parametrize(
    ("name", "guess"),
    [("epoch", "epochs"), ("LR", "lr"), ("batch-size", "batch_size"), ("zzz", None)],
)
def test_nearest(name, guess):
    assert nearest(name, ["epochs", "batch_size", "lr"]) == guess


def test_synonym_comes_before_likeness():
    assert nearest("Learning-Rate", ["lr", "learning_rates"], {"learning_rate": "lr"}) == "lr"


def test_the_line_on_an_unknown_key():
    assert unknown_key("etaa", ["beta", "eta"]) == (
        "unknown key 'etaa'. Did you mean 'eta'? Known: beta, eta."
    )
    assert suggestion("zzz", ["beta", "eta"]) == "Known: beta, eta."


def test_long_values_are_cut():
    assert short(list(range(1000))) == str(list(range(1000)))[:57] + "..."
    assert "\n" not in short("a\nb")
