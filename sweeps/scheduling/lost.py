"""Why a worker was lost in mid-pack: what happens to its pack depends on it."""

from __future__ import annotations

from enum import Enum


class Lost(Enum):
    """What took a worker.

    Attributes:
        MEMORY: the node had no memory left; a smaller pack may fit.
        NODE: its node went away, as spot instances do; the pack had no part in it.
        DEATH: anything else: a signal, a crash. The pack may be the cause.
    """

    MEMORY = "memory"
    NODE = "node"
    DEATH = "death"


# As Ray words them: what its memory monitor does, and the death of an actor by its node's.
_OF_MEMORY = ("low on memory", "outofmemoryerror", "out of memory")
_OF_NODES = ("its node has died", "node was terminated", "nodediederror", "node has been preempted")


def why_lost(error: str) -> Lost:
    """What took a worker, by the text of Ray's error.

    Example:
        >>> why_lost("The actor died because its node has died. Node Id: 12")
        <Lost.NODE: 'node'>
    """
    text = error.lower()
    if any(words in text for words in _OF_MEMORY):
        return Lost.MEMORY
    return Lost.NODE if any(words in text for words in _OF_NODES) else Lost.DEATH
