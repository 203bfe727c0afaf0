"""A Ray cluster of two nodes on this machine, of which one is killed on demand.

Prints its address; a line on standard input kills the second node by kill -9; ends with its input.
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster


def main() -> None:
    """Start, obey, end."""
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False},
    )
    second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    for _ in sys.stdin:
        second.kill_raylet(check_alive=False)
        print("killed", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
