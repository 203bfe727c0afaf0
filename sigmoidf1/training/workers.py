"""Threads that each train tiles, on one core or one GPU."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_on_workers(
    function: Callable[[Item, torch.device], Result],
    items: Sequence[Item],
    devices: Sequence[torch.device],
) -> list[Result]:
    """``[function(item, device) for item in items]``, on one thread for each entry of ``devices``.

    The first exception ends what has not started and is raised.

    Args:
        function: runs with one PyTorch thread an operation.
        items: the work.
        devices: a device for each worker; ``cpu`` may be repeated.
    """
    before = torch.get_num_threads()
    free: queue.SimpleQueue[torch.device] = queue.SimpleQueue()
    for device in devices:
        free.put(device)
    mine = threading.local()

    def prepare() -> None:
        # One thread an operation: no sum is ever split by the number of cores, so bits do not
        # depend on it. Denormals come with a saturated sigmoid and slow all that meets them.
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
        mine.device = free.get()

    def run(item: Item) -> Result:
        return function(item, mine.device)

    pool = ThreadPoolExecutor(max_workers=len(devices), initializer=prepare)
    try:
        futures = [pool.submit(run, item) for item in items]
        return [future.result() for future in futures]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(before)
