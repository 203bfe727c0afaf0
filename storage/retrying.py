"""Doing a request again while the database is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from storage.errors import StoreBusyError, StoreConnectionError

RETRY_S = 120.0

_LOGGER = logging.getLogger(__name__)
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 5.0

T = TypeVar("T")


def retry_while_away(request: Callable[[], T], retry_s: float, where: str) -> T:
    """The answer to a request, made again while the database is away or locked.

    The waits double from 0.1 to 5 seconds.

    Args:
        request: a request that may be made again, also if its first answer was lost.
        retry_s: seconds after which no further try is begun; 0 tries once.
        where: the store's URL without its password, for the log.

    Returns:
        The answer.

    Raises:
        StoreConnectionError, StoreBusyError: it is still away or locked; the last error.
    """
    deadline = time.monotonic() + retry_s
    wait = _FIRST_WAIT_S
    while True:
        try:
            return request()
        except (StoreConnectionError, StoreBusyError) as error:
            if time.monotonic() + wait > deadline:
                raise
            if wait == _FIRST_WAIT_S:
                _LOGGER.warning("%s Trying again for %.0f s.", error, retry_s)
        time.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT_S)
