"""Starts a private, local Ray for one command, or joins a running cluster."""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.errors import SweepError
from sweeps.scheduling.identity import is_dead, this_run

_QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the store keeps the results, Tune writes none
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the runner finishes the running packs itself
    "RAY_AIR_NEW_OUTPUT": "0",  # silences the banner that verbose=0 leaves
    "TUNE_WARN_THRESHOLD_S": "60",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # Tune's snapshots are never read: the store is the truth
    "TUNE_MAX_PENDING_TRIALS_PG": "16",  # workers that start at the same time
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "OMP_NUM_THREADS": "1",
}
_PREFIX = "sf1-"  # short: sockets below it have at most 107 characters
_OWNER_FILE = "owner"
_OBJECT_STORE_FLOOR_BYTES = 128 * 1024**2


@dataclass(frozen=True)
class ClusterInfo:
    """A Ray that was joined or started.

    Attributes:
        joined: whether it was there before, and others may use it.
        gpus: GPUs of all its nodes.
        scratch: a folder of this run.
        check_nodes: looks at the nodes that have joined since it was last called.

    Raises:
        SweepError: by ``check_nodes``, if a node cannot train what the driver would.
    """

    joined: bool
    gpus: float
    scratch: Path
    check_nodes: Callable[[], None]


@contextmanager
def ray_cluster(
    *,
    address: str | None = None,
    cpus: int | None = None,
    shared_bytes: int = 0,
    ship_code: bool | None = None,
) -> Iterator[ClusterInfo]:
    """Start a local Ray of ``cpus`` cores, or join the one at ``address``; leave nothing behind.

    Args:
        address: a cluster's address; None starts a private Ray on this machine that ends with
            the block.
        cpus: cores of the local Ray; None is all of this machine's.
        shared_bytes: size of the features that the workers will share.
        ship_code: whether a cluster's workers get this driver's code; see
            :func:`sweeps.cluster.shipping.ships_code`.

    Raises:
        SweepError: Ray does not start, the cluster does not answer, or the versions on one of
            its nodes are not the driver's.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    _remove_abandoned(Path(tempfile.gettempdir()))
    scratch = Path(tempfile.mkdtemp(prefix=_PREFIX))
    (scratch / _OWNER_FILE).write_text(this_run().owner, encoding="utf-8")
    try:
        if address is None:
            _start_local(cpus, shared_bytes, scratch)
        else:
            _join(address, ship_code, scratch)
        import ray

        try:
            check_nodes = _nothing
            if address is not None:
                from sweeps.cluster.versions import VersionCheck

                check_nodes = VersionCheck(address).check
                check_nodes()
            yield ClusterInfo(
                joined=address is not None,
                gpus=ray.cluster_resources().get("GPU", 0.0),
                scratch=scratch,
                check_nodes=check_nodes,
            )
        finally:
            ray.shutdown()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed runs left behind: Ray's logs and sockets, hundreds of megabytes."""
    for scratch in folder.glob(f"{_PREFIX}*"):
        try:
            owner = (scratch / _OWNER_FILE).read_text(encoding="utf-8")
        except OSError:
            continue  # another user's, or being made
        if is_dead(owner):
            shutil.rmtree(scratch, ignore_errors=True)


def _ask_for_a_token() -> None:
    """Give the local Ray a token of this process alone, unless the user has one.

    Nobody else on the machine can then reach it, and no token file is left in the home directory.
    Ray reads its mode once, when it is imported: where that was before, in a notebook that uses
    Ray itself, what this process starts has to stay in the same mode.
    """
    imported = "ray" in sys.modules
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    if imported:
        # Compiled, without types.
        _raylet: Any = importlib.import_module("ray._raylet")
        if _raylet.get_authentication_mode() == _raylet.AuthenticationMode.DISABLED:
            os.environ["RAY_AUTH_MODE"] = "disabled"
    if os.environ["RAY_AUTH_MODE"] == "token" and "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def use_given_token() -> None:
    """Show a cluster the token that the user has set: it answers only clients that say so."""
    if "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ:
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def _start_local(cpus: int | None, shared_bytes: int, scratch: Path) -> None:
    _ask_for_a_token()
    _init(
        "a local Ray",
        address="local",
        num_cpus=cpus,
        include_dashboard=False,
        object_store_memory=max(2 * shared_bytes, 0) + _OBJECT_STORE_FLOOR_BYTES,
        _temp_dir=str(scratch / "ray"),
        _node_ip_address="127.0.0.1",  # a Ray of one's own listens on loopback only
    )


def _join(address: str, ship_code: bool | None, scratch: Path) -> None:
    from sweeps.cluster.shipping import ships_code, stage_code

    if address.startswith(("http://", "https://")):
        raise SweepError(
            f"A run joins a cluster at its own address, but got {address}, which is its job "
            "server's. Write HOST:6379 or auto; or hand the sweep over: sigmoidf1 sweep submit."
        )
    use_given_token()
    environment: dict[str, Any] = {}
    if ships_code(ship_code):
        environment["working_dir"] = str(stage_code(scratch / "code"))
    _init(f"the cluster at {address}", address=address, runtime_env=environment)


def _init(where: str, **options: Any) -> None:
    import ray

    try:
        ray.init(
            log_to_driver=False, logging_level=logging.ERROR, configure_logging=True, **options
        )
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise SweepError(
            f"Ray must answer, but {where} did not: {str(error).splitlines()[0]}"
        ) from error


def _nothing() -> None:
    """Look at nobody: a Ray of one's own has no nodes that join."""
