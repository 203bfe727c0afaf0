"""Where the time of packed training goes, on one core: called by packed_training.py --profile."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable

from torch._C._profiler import _ExperimentalConfig
from torch.profiler import ProfilerActivity, profile

# The first kind whose word is in an operation's name is the operation's.
KINDS = {
    "products": ("_linear_pointwise", "aten::mm", "aten::bmm", "aten::addmm"),
    "optimiser": ("_fused_adam_", "_fused_sgd_"),
    "copies and casts": ("copy_", "index_select", "empty", "clone", "cat", "stack", "fill"),
    "sums over the batch and the classes": ("aten::sum",),
    "elementwise": ("aten::", "mkldnn"),
}


def kind_of(name: str) -> str:
    """The kind of an operation, by its name."""
    for kind, words in KINDS.items():
        if any(word in name for word in words):
            return kind
    return "other"


def operation_times(work: Callable[[], None]) -> dict[tuple[str, str], list[float]]:
    """Seconds of every operation while ``work`` runs, by its name and the shapes it is given."""
    everywhere = _ExperimentalConfig(profile_all_threads=True)  # tiles train on a worker thread
    with profile(
        activities=[ProfilerActivity.CPU], record_shapes=True, experimental_config=everywhere
    ) as recorded:
        work()
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in recorded.events():
        times[event.name, str(event.input_shapes)].append(event.self_cpu_time_total / 1e6)
    return times


def seconds_by_kind(work: Callable[[], None], baseline: Callable[[], None]) -> dict[str, float]:
    """Time within the operations that ``work`` does beyond those of ``baseline``, by their kind.

    An operation on tensors of the same shapes counts with its median time, so that what other
    processes of the machine take from a few of them does not show.
    """
    before = operation_times(baseline)
    seconds: dict[str, float] = defaultdict(float)
    for key, own in operation_times(work).items():
        count = len(own) - len(before.get(key, ()))
        seconds[kind_of(key[0])] += statistics.median(own) * count
    return seconds


def print_profile(
    title: str, work: Callable[[], None], baseline: Callable[[], None], head_steps: int
) -> None:
    """Print µs per head-step by kind of operation.

    Args:
        title: what is profiled.
        work: the training to profile.
        baseline: what of it is not steps (set-up, final evaluation); its time is subtracted.
        head_steps: steps of ``work`` beyond those of ``baseline``, times heads.
    """

    def cpu_seconds(function: Callable[[], None]) -> float:
        times = []
        for _ in range(3):
            started = time.process_time()
            function()
            times.append(time.process_time() - started)
        return statistics.median(times)

    work()
    total = cpu_seconds(work) - cpu_seconds(baseline)
    found = seconds_by_kind(work, baseline)
    parts = {kind: found[kind] for kind in [*KINDS, "other"]}
    parts["Python and dispatch"] = total - sum(parts.values())
    print(f"\n{title}: {1e6 * total / head_steps:.1f} µs of one core per head-step")
    for kind, seconds in parts.items():
        print(f"  {kind:38} {1e6 * seconds / head_steps:6.2f} {seconds / total:6.1%}")
