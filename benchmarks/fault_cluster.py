"""A Ray cluster of several raylets on this machine, whose nodes are killed and added on demand.

Prints its address. Each line on standard input is an order, answered by one line when it is done:
`kill` ends the youngest node by kill -9, `add` adds one. It ends with its input.

    python benchmarks/fault_cluster.py [--nodes 1] [--disk FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ray.cluster_utils import Cluster


def main() -> None:
    """Start, obey, end."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--nodes", type=int, default=1, help="beside the head")
    parser.add_argument("--disk", help="the folder of the last node's files")
    arguments = parser.parse_args()
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False},
    )
    added: list[Any] = []
    for number in range(arguments.nodes):
        own_disk = arguments.disk and number == arguments.nodes - 1
        place = {"temp_dir": arguments.disk} if own_disk else {}
        added.append(cluster.add_node(num_cpus=1, **place))
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    for order in sys.stdin:
        if order.strip() == "kill":
            added.pop().kill_raylet(check_alive=False)
        else:
            added.append(cluster.add_node(num_cpus=1))
        print("done", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
