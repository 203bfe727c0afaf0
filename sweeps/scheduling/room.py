"""How many packs a run may train at the same time: what is there, what is asked, what is fair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import psutil
import ray

from sweeps.cluster.capacity import PackNeeds, pack_memory_bytes, packs_that_fit
from sweeps.errors import SweepError
from sweeps.packs import Throughput
from sweeps.scheduling.cluster import ClusterInfo
from sweeps.scheduling.fairness import Demand, Shares
from sweeps.scheduling.identity import RunIdentity


class FixedRoom:
    """The room of a Ray of the run's own: nobody joins, leaves or shares it.

    Args:
        packs: packs at the same time.

    Attributes:
        most_at_once: packs that trained at the same time, at most.
    """

    def __init__(self, packs: int) -> None:
        self.packs = packs
        self.most_at_once = packs
        self.nodes_lost: int | None = None

    def refresh(self, throughput: Throughput, *, running: int, starved: bool) -> None:
        """Nothing changes."""

    def leave(self) -> None:
        """Nobody is told."""

    def pack_memory_bytes(self) -> int:
        """The memory that there is for each pack: what this machine has free, divided."""
        return int(psutil.virtual_memory().available) // self.packs


class SharedRoom:
    """The room of a run in a cluster: nodes come and go, and other runs want their part.

    Args:
        needs: what a pack takes.
        most: packs at the same time, at most; None for as many as the cluster holds. With a
            number the run also asks for what is not there yet, so that a cluster may grow.
        shares: the run's place among the others.

    Attributes:
        most_at_once: packs that trained at the same time, at most, of what was seen.
    """

    def __init__(self, needs: PackNeeds, most: int | None, shares: Shares) -> None:
        self._needs = needs
        self._most = most
        self._shares = shares
        self.packs = most or max(1, packs_that_fit(ray.nodes(), needs))
        self.most_at_once = 1
        self.nodes_lost: int | None = _dead(ray.nodes())

    def refresh(self, throughput: Throughput, *, running: int, starved: bool) -> None:
        """Look at the cluster again, and ask for a part of it.

        Args:
            throughput: told how many packs are to be cut for.
            running: packs that train or wait for a place.
            starved: there is no pack to hand out: what the run does not need is others' to have.
        """
        nodes = ray.nodes()
        self.nodes_lost = _dead(nodes)
        there = max(1, packs_that_fit(nodes, self._needs))
        most = self._most or there
        wanted = min(most, running + 1) if starved else most
        given = self._shares.ask(Demand(packs=wanted, fits=there))
        if given is not None:
            self.packs = given
        throughput.workers = max(self.packs, running)
        self.most_at_once = max(self.most_at_once, min(running, there))

    def leave(self) -> None:
        """Give the place up."""
        self._shares.leave()

    def pack_memory_bytes(self) -> int:
        """The memory that there is for each pack, on the node that has least."""
        part = pack_memory_bytes(ray.nodes(), self._needs)
        # Nodes that are still to come are taken to be like this machine.
        return int(psutil.virtual_memory().available) if part is None else part


def _dead(nodes: Iterable[Mapping[str, Any]]) -> int:
    return sum(not node["Alive"] for node in nodes)


Room = FixedRoom | SharedRoom


def make_room(cluster: ClusterInfo, needs: PackNeeds, most: int | None, run: RunIdentity) -> Room:
    """The room of a run that is about to train.

    Args:
        cluster: the Ray that was started or joined.
        needs: what a pack takes.
        most: packs at the same time, at most; None for as many as fit.
        run: this run.

    Raises:
        SweepError: no node holds a pack, and none is to be waited for.
    """
    there = packs_that_fit(ray.nodes(), needs)
    if not there and not (cluster.joined and most):
        has = ray.cluster_resources()
        advice = "Ask for less by --cpus-per-pack, --gpus-per-pack"
        if cluster.joined:
            advice += ", or wait for nodes that are about to join by --max-packs"
        raise SweepError(
            f"a pack needs {needs.cpus:g} CPUs and {needs.gpus:g} GPUs of one node, but no node "
            f"of Ray has them ({has.get('CPU', 0.0):g} and {has.get('GPU', 0.0):g} in all). "
            f"{advice}."
        )
    if cluster.joined:
        return SharedRoom(needs, most, Shares(run.owner))
    return FixedRoom(min(there, most or there))
