"""Threads that each train tiles on one core."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

from sigmoidf1.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")


def _prepare_thread() -> None:
    # One thread an operation: no sum is ever split by the number of cores, so bits do not depend
    # on it. Denormals come with a saturated sigmoid and slow every operation that meets them.
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


@contextmanager
def tile_workers(
    threads: int | None, device: torch.device
) -> Iterator[Callable[[Callable[[Item], Result], Sequence[Item]], list[Result]]]:
    """Give a ``map(function, items)`` that runs on ``threads`` single-core threads.

    The first exception ends the remaining items and is raised.
    """
    before = torch.get_num_threads()
    count = (before if threads is None else threads) if device.type == "cpu" else 1
    if count < 1:
        raise InputError(f"threads must be >= 1, but got {threads}.")
    pool = ThreadPoolExecutor(max_workers=count, initializer=_prepare_thread)

    def run_all(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        futures = [pool.submit(function, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise

    try:
        yield run_all
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(before)
