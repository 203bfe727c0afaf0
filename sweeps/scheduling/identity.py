"""Names a run so that another process can tell whether it still lives."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path

_HOST_LENGTH = 60


@dataclass(frozen=True)
class RunIdentity:
    """A run of `sweep run`: the owner of its leases, and where it runs.

    Attributes:
        owner: unique; says host, process, and what tells this process from a later one.
        host: the machine's name.
        pid: the driver's process.
    """

    owner: str
    host: str
    pid: int


def this_run() -> RunIdentity:
    """A new identity for a run driven by this process."""
    host, pid = socket.gethostname()[:_HOST_LENGTH], os.getpid()
    parts = (host, str(pid), _birth(pid) or "-", _place(), uuid.uuid4().hex[:8])
    return RunIdentity(owner="/".join(parts), host=host, pid=pid)


def is_dead(owner: str) -> bool:
    """Whether an owner's driver ran on this machine, under this start of it, and has ended.

    False wherever that cannot be known: on another machine, in another container, before a
    reboot. Such an owner's leases are left to expire.
    """
    parts = owner.split("/")
    if len(parts) != 5 or not parts[1].isdigit():
        return False
    _, pid, born, place, _ = parts
    return place == _place() and born != "-" and _birth(int(pid)) != born


def _place() -> str:
    """The kernel's start and the space of process numbers: host names may be shared."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        return f"{uuid.getnode():x}"
    return f"{boot[:13]}-{space.strip('pid:[]')}"


def _birth(pid: int) -> str | None:
    """When a process started, on a clock that nobody sets; None if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return _birth_elsewhere(pid)
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else fields[19]


def _birth_elsewhere(pid: int) -> str | None:
    if Path("/proc/self/stat").exists():
        return None
    import psutil

    try:
        return str(int(psutil.Process(pid).create_time()))
    except psutil.Error:
        return None
