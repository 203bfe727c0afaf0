"""What a machine is, in a few words and numbers, for the provenance of what was run on it."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import psutil

_CPUINFO = Path("/proc/cpuinfo")


def describe_machine() -> dict[str, Any]:
    """Return the processor, its cores, the memory and the GPUs of this machine.

    Returns:
        ``processor`` (its model's name), ``cores`` (that this process may use), ``memory_bytes``
        and ``gpus`` (their names).
    """
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "processor": _processor(),
        "cores": _cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": gpus,
    }


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # what is left of them in a container or by taskset
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
