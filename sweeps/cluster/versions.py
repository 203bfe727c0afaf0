"""Whether the workers of a cluster compute what the driver would: versions, node by node."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass
from typing import Any

from sweeps.errors import SweepError

_LOGGER = logging.getLogger(__name__)
_ANSWER_S = 120.0  # a node may have to unpack code and to start its first worker
_NAMES = {
    "code": "sigmoidf1-sweeps",
    "python": "Python",
    "torch": "torch",
    "ray": "Ray",
    "numpy": "numpy",
    "numba": "Numba",
}


def read_versions() -> dict[str, str]:
    """What this process computes with: code, Python, torch, Ray, NumPy and Numba.

    ``code`` is the version with a hash of what the workers run, so that two source trees of one
    version are told apart; it is ``missing`` where the packages cannot be imported. Of Python the
    first two numbers are given, and builds of one version of torch (CPU, CUDA) are alike.
    """
    # A node without our packages runs this too: nothing of ours, and everything imported here.
    import hashlib
    import importlib.util
    import platform
    from importlib import metadata
    from pathlib import Path

    def installed(name: str) -> str:
        try:
            return metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            return "missing"

    def code() -> str:
        digest = hashlib.sha256()
        for name in ("sigmoidf1", "storage", "sweeps"):
            found = importlib.util.find_spec(name)
            if found is None or found.origin is None:
                return "missing"
            folder = Path(found.origin).parent
            for path in sorted(folder.rglob("*.py")):
                digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
        from sigmoidf1.version import __version__

        return f"{__version__} (code {digest.hexdigest()[:8]})"

    return {
        "code": code(),
        "python": ".".join(platform.python_version_tuple()[:2]),
        **{name: installed(name) for name in ("torch", "ray", "numpy", "numba")},
    }


@dataclass
class _Question:
    """What a node was asked, which it has not answered yet."""

    host: str
    reference: Any
    late_after: float
    told: bool = False


class VersionCheck:
    """Asks every node of the joined Ray once, also those that join later.

    The first look waits for the answers; later ones take those that have come meanwhile.

    Args:
        address: the cluster, for messages.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._ours = read_versions()
        self._seen: set[str] = set()
        self._open: dict[str, _Question] = {}

    def check(self) -> None:
        """Ask the nodes that have not been asked, and compare what they answer.

        Raises:
            SweepError: a node has other versions, or starts no worker.
        """
        import ray

        first = not self._seen
        alive = {n["NodeID"]: n["NodeManagerHostname"] for n in ray.nodes() if n["Alive"]}
        until = time.monotonic() + _ANSWER_S
        for node in alive.keys() - self._seen:
            self._open[node] = _Question(alive[node], _ask(node), until)
            self._seen.add(node)
        self._open = {n: question for n, question in self._open.items() if n in alive}
        if not self._open:
            return
        references = [question.reference for question in self._open.values()]
        timeout = _ANSWER_S if first else 0
        ready, _ = ray.wait(references, num_returns=len(references), timeout=timeout)
        for node, question in list(self._open.items()):
            if question.reference in ready:
                del self._open[node]
                theirs = _answer(question, node)
                if theirs is not None:
                    compare(self._ours, theirs, question.host)
            elif first:
                if _is_alive(node):
                    raise _no_worker(question.host, f"no answer within {_ANSWER_S:g} s")
            elif time.monotonic() > question.late_after and not question.told:
                question.told = True
                _LOGGER.warning(
                    "Node %s has joined, but has started no worker within %.0f s. Look at its "
                    "disk and memory, or take it out of the cluster.",
                    question.host,
                    _ANSWER_S,
                )


def compare(ours: dict[str, str], theirs: dict[str, str], host: str) -> None:
    """Check that a node's versions are the driver's.

    Raises:
        SweepError: they are not; every difference is named, and what to do.
    """
    different = [
        f"{_NAMES[key]} is {value} here and {theirs[key]} there"
        for key, value in ours.items()
        if theirs[key] != value
    ]
    if not different:
        return
    advice = "Use one image for all nodes and the driver"
    if ours["code"] != theirs["code"]:
        advice = "Add --ship-code to send this driver's code, or install one version on all nodes"
        if len(different) > 1:
            advice = "Use one image for all nodes and the driver; code alone goes by --ship-code"
    raise SweepError(
        f"driver and workers must have the same versions, but on node {host} "
        f"{'; '.join(different)}. {advice}."
    )


def _ask(node: str) -> Any:
    import ray
    from ray import cloudpickle
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(node, soft=False)
    module = sys.modules[__name__]
    # By value: a node that lacks this module can say so.
    cloudpickle.register_pickle_by_value(module)
    try:
        task = ray.remote(num_cpus=0, max_retries=0)(read_versions)
        return task.options(scheduling_strategy=here).remote()
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def _answer(question: _Question, node: str) -> dict[str, str] | None:
    """A node's versions; None if it has left meanwhile."""
    import ray

    try:
        return dict(ray.get(question.reference))
    except ray.exceptions.RayError as error:
        if not _is_alive(node):
            return None
        raise _no_worker(question.host, str(error).strip().splitlines()[-1]) from error


def _is_alive(node: str) -> bool:
    import ray

    return any(each["NodeID"] == node and each["Alive"] for each in ray.nodes())


def _no_worker(host: str, reason: str) -> SweepError:
    return SweepError(
        f"every node must start a worker, but {host} did not: {reason}. "
        "Look at its disk and memory, or take it out of the cluster."
    )
