"""How many packs the machines of a cluster hold, and how much memory each of them has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_ROUNDING = 1e-6  # of fractions such as three packs of a third of a GPU


@dataclass(frozen=True)
class PackNeeds:
    """What a pack takes of a node; both may be fractions.

    Attributes:
        cpus: cores.
        gpus: GPUs.
    """

    cpus: float
    gpus: float

    def fit(self, node: Mapping[str, Any]) -> int:
        """How many packs a node of ``ray.nodes()`` holds; 0 for one that is gone.

        Example:
            >>> PackNeeds(1, 0.25).fit({"Alive": True, "Resources": {"CPU": 16, "GPU": 2}})
            8
        """
        if not node["Alive"]:
            return 0
        has = node["Resources"]
        parts = [(has.get("CPU", 0.0), self.cpus), (has.get("GPU", 0.0), self.gpus)]
        return min(int(there / asked + _ROUNDING) for there, asked in parts if asked)


def packs_that_fit(nodes: Iterable[Mapping[str, Any]], needs: PackNeeds) -> int:
    """How many packs the nodes of ``ray.nodes()`` hold at the same time."""
    return sum(needs.fit(node) for node in nodes)


def pack_memory_bytes(nodes: Iterable[Mapping[str, Any]], needs: PackNeeds) -> int | None:
    """A pack's part of the memory of the node that has least for each; None where none fits."""
    parts = [
        int(node["Resources"].get("memory", 0)) // count
        for node in nodes
        if (count := needs.fit(node))
    ]
    return min(parts, default=None)
