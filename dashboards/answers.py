"""Answers kept in memory: bounded by their bytes, each made once however many ask."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd

T = TypeVar("T")


class Answers:
    """A cache that forgets what was asked for longest ago; safe to share between threads.

    Args:
        most_bytes: how much the kept answers may take, as `size_of` counts them.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the answer under ``key``; of several who ask at once one makes it."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return cast(T, self._kept[key][0])
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._kept:
                    return cast(T, self._kept[key][0])
            try:
                answer = make()
                self._keep(key, answer)
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return answer

    def forget(self, gone: Callable[[Any], bool]) -> None:
        """Drop the answers whose key ``gone`` says is of no more use."""
        with self._lock:
            for key in [key for key in self._kept if gone(key)]:
                self._bytes -= self._kept.pop(key)[1]

    def _keep(self, key: Hashable, answer: Any) -> None:
        size = size_of(answer)
        with self._lock:
            self._kept[key] = (answer, size)
            self._bytes += size
            while self._bytes > self._most_bytes and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1][1]


def size_of(value: Any, depth: int = 6) -> int:
    """Return about how many bytes an answer takes: arrays and frames, and what holds them."""
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    if isinstance(value, pd.DataFrame):
        return int(value.memory_usage(index=True).sum())
    size = sys.getsizeof(value)
    if depth == 0:
        return size
    if isinstance(value, Mapping):
        return size + sum(size_of(item, depth - 1) for item in value.values())
    if isinstance(value, list | tuple):
        # Long rows are alike: a few stand for all.
        some = value[:20]
        return size + sum(size_of(item, depth - 1) for item in some) * len(value) // max(
            1, len(some)
        )
    held = getattr(value, "__dict__", None)
    return size if held is None else size + size_of(held, depth - 1)
