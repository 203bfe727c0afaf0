"""Whether the workers of a cluster compute what the driver would: versions, node by node."""

from __future__ import annotations

import sys
from typing import Any

from sweeps.errors import SweepError

_ANSWER_S = 120.0  # a node may have to unpack code and to start its first worker
_JOINED_ANSWER_S = 10.0  # one that joins later is asked again if it does not answer
_NAMES = {
    "code": "sigmoidf1-sweeps",
    "python": "Python",
    "torch": "torch",
    "ray": "Ray",
    "numpy": "numpy",
}


def read_versions() -> dict[str, str]:
    """What this process computes with: ``code``, ``python``, ``torch``, ``ray``, ``numpy``.

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
        **{name: installed(name) for name in ("torch", "ray", "numpy")},
    }


class VersionCheck:
    """Asks every node of the joined Ray once, also those that join later.

    Args:
        address: the cluster, for messages.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._ours = read_versions()
        self._seen: set[str] = set()

    def check(self) -> None:
        """Ask the nodes that have not been asked.

        Raises:
            SweepError: a node has other versions, or does not answer.
        """
        import ray

        new = {
            node["NodeID"]: node["NodeManagerHostname"]
            for node in ray.nodes()
            if node["Alive"] and node["NodeID"] not in self._seen
        }
        if not new:
            return
        late = bool(self._seen)
        answers = {node: _ask(node) for node in new}
        for node, answer in answers.items():
            theirs = _answer(answer, node, new[node], late=late)
            if theirs is not None:
                compare(self._ours, theirs, new[node])
                self._seen.add(node)


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


def _answer(reference: Any, node: str, host: str, *, late: bool) -> dict[str, str] | None:
    """A node's versions; None if it has left meanwhile, or joined late and needs time."""
    import ray

    try:
        return dict(ray.get(reference, timeout=_JOINED_ANSWER_S if late else _ANSWER_S))
    except ray.exceptions.RayError as error:
        if late and isinstance(error, ray.exceptions.GetTimeoutError):
            return None
        if not any(each["NodeID"] == node and each["Alive"] for each in ray.nodes()):
            return None
        reason = str(error).strip().splitlines()[-1]
        raise SweepError(
            f"every node must start a worker, but {host} did not: {reason}. "
            "Look at its disk and memory, or take it out of the cluster."
        ) from error
