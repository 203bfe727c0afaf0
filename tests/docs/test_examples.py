"""Every example is a spec that can be planned, and says in its first lines how to run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeps.plan import make_plan
from sweeps.spec import load_spec

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda p: p.relative_to(EXAMPLES).as_posix()
)
def test_an_example_is_a_plan_and_says_how_to_run_it(path):
    spec = load_spec(path)
    plan = make_plan(spec)
    assert set(plan.losses) == set(spec.losses)
    head = path.read_text(encoding="utf-8").split("\nsweep:")[0]
    assert "#   sigmoidf1 " in head
