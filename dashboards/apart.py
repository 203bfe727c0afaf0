"""Long computations in a process of their own, so that pages are answered meanwhile.

Statistics of tens of thousands of cells keep Python's lock for many seconds: nobody's slider would
move. A process costs two seconds to start, and gives its memory back when it ends.
"""

from __future__ import annotations

import copy
import multiprocessing
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, TypeVar, cast

from storage.errors import StoreError
from storage.store import Store

T = TypeVar("T")

# One at a time: each may take a gigabyte. Those that wait keep a thread of the server each.
_TURN = threading.Lock()
_WAITING = threading.BoundedSemaphore(4)


def compute_apart(url: str, function: Callable[[Store], T]) -> T:
    """Return ``function(store)``, computed in another process on a store that it opens itself.

    Args:
        url: of the store; it is opened for reading only.
        function: can be pickled, as a function of a module or a `functools.partial` of one can.

    Raises:
        StoreError: the process ended without an answer, or too many wait for theirs.
        Exception: what ``function`` raises.
    """
    if not _WAITING.acquire(blocking=False):
        raise StoreError(
            "Other statistics of large sweeps are being computed, and more wait for their turn. "
            "Ask again in a minute."
        )
    try:
        with _TURN:
            failed, answer = _ask(url, function)
    finally:
        _WAITING.release()
    if failed:
        raise cast(Exception, answer)
    return cast(T, answer)


def _ask(url: str, function: Callable[[Store], Any]) -> tuple[bool, Any]:
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    # A daemon ends with us; were we killed, it ends when it has nobody to answer.
    process = context.Process(target=_work, args=(sending, url, function), daemon=True)
    process.start()
    sending.close()
    try:
        return cast(tuple[bool, Any], receiving.recv())
    except (EOFError, OSError):
        process.join()
        raise StoreError(
            "Statistics of a large sweep are computed in a process of their own, but it ended "
            f"without an answer (status {process.exitcode}). Perhaps memory ran out: run "
            "`sigmoidf1 analyse` on a machine with more."
        ) from None
    finally:
        receiving.close()
        process.join()


def _work(sending: Connection, url: str, function: Callable[[Store], Any]) -> None:
    try:
        with Store.open(url, create=False, read_only=True) as store:
            answer: tuple[bool, Any] = False, function(store)
    except Exception as error:
        answer = True, error if _can_be_made_again(error) else StoreError(str(error))
    with suppress(BrokenPipeError):
        try:
            sending.send(answer)
        except BrokenPipeError:
            raise
        except Exception as error:  # nothing was sent: it has no form for the way
            sending.send((True, StoreError(f"The answer could not be sent: {error}")))
    sending.close()


def _can_be_made_again(error: Exception) -> bool:
    """Whether the error comes out of a pipe as it went in: some want more than their message."""
    try:
        copy.copy(error)
    except Exception:
        return False
    return True
