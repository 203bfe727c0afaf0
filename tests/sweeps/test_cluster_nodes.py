"""A real cluster of two raylets: features once a node, versions asked, the cluster shared."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(600)

# In a process of its own: Ray reads its token when it is first imported.
SCRIPT = """
import json
import numpy as np
import ray
from ray import tune
from ray.cluster_utils import Cluster

from sigmoidf1.training.settings import Objective
from sweeps.cluster.capacity import PackNeeds, packs_that_fit
from sweeps.pack_training import PackData
from sweeps.scheduling.cluster import ray_cluster
from sweeps.scheduling.fairness import Demand, Shares

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
cluster.add_node(num_cpus=2)
cluster.wait_for_nodes()

def place(trial):
    data = trial._context.data.embeddings
    at = data.ctypes.data
    for line in open("/proc/self/maps"):
        span, _, offset, _, inode, *name = line.split()
        low, high = (int(x, 16) for x in span.split("-"))
        if low <= at < high:
            memory = (inode, int(offset, 16) + at - low)
    node = ray.get_runtime_context().get_node_id()
    return node, memory, data.flags.writeable, float(data.sum())

said = {}
with ray_cluster(address=cluster.address, ship_code=True) as joined:
    from sweeps.scheduling.trainable import PackContext, PackTrial

    said["packs"] = packs_that_fit(ray.nodes(), PackNeeds(cpus=1, gpus=0))
    data = PackData(
        embeddings=np.ones((1000, 500), dtype=np.float32),
        targets=np.zeros((1000, 3), dtype=np.uint8),
        splits={"train": np.arange(1000)},
        views=None, objective=Objective(), thresholds=[0.5], device="cpu",
    )
    trial = tune.with_parameters(PackTrial, context=PackContext(data=data, recorder=None))
    workers = [
        ray.remote(num_cpus=1)(trial).options(scheduling_strategy="SPREAD").remote({"pack": 0})
        for _ in range(4)
    ]
    said["places"] = ray.get([worker.__ray_call__.remote(place) for worker in workers])
    first, second = Shares("a"), Shares("b")
    said["shares"] = [run.ask(Demand(4, 4)) for run in (first, second, first)]
    second.leave()
    said["shares"].append(first.ask(Demand(4, 4)))
    joined.check_nodes()  # nobody new
cluster.shutdown()
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | token | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_node_holds_the_features_once_for_all_its_workers(said):
    places = said["places"]
    nodes = {node for node, *_ in places}
    copies = {(node, *memory) for node, memory, _, _ in places}
    assert said["packs"] == len(places) == 4
    assert len(nodes) == len(copies) == 2
    assert not any(writeable for _, _, writeable, _ in places)
    assert {total for *_, total in places} == {500_000.0}


def test_runs_of_a_cluster_share_it(said):
    assert said["shares"] == [4, 2, 2, 4]
