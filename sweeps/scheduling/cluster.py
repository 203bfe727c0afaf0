"""Starts a private, local Ray for one command, or joins a running cluster."""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
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
    """What the joined or started Ray offers."""

    cpus: float
    gpus: float
    scratch: Path


@contextmanager
def ray_cluster(
    *, address: str | None = None, cpus: int | None = None, shared_bytes: int = 0
) -> Iterator[ClusterInfo]:
    """Start a local Ray of ``cpus`` cores, or join the one at ``address``; leave nothing behind.

    Args:
        address: a cluster's address; None starts a private Ray on this machine that ends with
            the block.
        cpus: cores of the local Ray; None is all of this machine's.
        shared_bytes: size of the features that the workers will share.

    Raises:
        SweepError: Ray does not start or the cluster does not answer.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    _remove_abandoned(Path(tempfile.gettempdir()))
    scratch = Path(tempfile.mkdtemp(prefix=_PREFIX))
    (scratch / _OWNER_FILE).write_text(this_run().owner, encoding="utf-8")
    try:
        _start(address, cpus, shared_bytes, scratch)
        import ray

        try:
            resources = ray.cluster_resources()
            yield ClusterInfo(
                cpus=resources.get("CPU", 0.0), gpus=resources.get("GPU", 0.0), scratch=scratch
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


def _start(address: str | None, cpus: int | None, shared_bytes: int, scratch: Path) -> None:
    if address is None:
        _ask_for_a_token()
    elif "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ:
        # A cluster with a token answers only clients that say so.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    import ray

    common: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "configure_logging": True,
    }
    try:
        if address is not None:
            ray.init(address=address, **common)
        else:
            ray.init(
                address="local",
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=max(2 * shared_bytes, 0) + _OBJECT_STORE_FLOOR_BYTES,
                _temp_dir=str(scratch / "ray"),
                _node_ip_address="127.0.0.1",  # a Ray of one's own listens on loopback only
                **common,
            )
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        where = f"the cluster at {address}" if address else "a local Ray"
        raise SweepError(
            f"Ray must answer, but {where} did not: {str(error).splitlines()[0]}"
        ) from error
