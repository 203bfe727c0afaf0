"""The scheduler on a simulated cluster whose nodes are lost: near the bound, everything once."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "cluster_simulation.py"
_SPEC = importlib.util.spec_from_file_location("cluster_simulation", SCRIPT)
assert _SPEC is not None
assert _SPEC.loader is not None
simulation = importlib.util.module_from_spec(_SPEC)
sys.modules["cluster_simulation"] = simulation
_SPEC.loader.exec_module(simulation)


@pytest.mark.parametrize("life_s", [4 * 3600.0, 1200.0])
def test_a_cluster_that_loses_nodes_ends_near_the_bound_with_everything_once(life_s):
    setting = simulation.Setting(nodes=20, tiles=2000, life_s=life_s, seed=3)
    outcome = simulation.simulate(setting)
    assert outcome.times == {1: outcome.replicates}
    assert outcome.lost > 0
    assert outcome.first_heads > outcome.last_heads
    assert 1.0 <= outcome.ratio < 1.1


def test_the_bound_is_the_work_over_the_nodes_that_are_there():
    steady = simulation.Node(1.0, [(0.0, 1000.0)])
    fast_but_late = simulation.Node(2.0, [(50.0, 1000.0)])
    seconds = simulation.np.full(20, 10.0)
    assert simulation.bound_s([steady], seconds) == pytest.approx(200.0)
    # 50 s of one, then both: 150 s of work at three a second.
    assert simulation.bound_s([steady, fast_but_late], seconds) == pytest.approx(100.0)
