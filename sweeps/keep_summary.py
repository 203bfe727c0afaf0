"""What keeping cells is asked, and what it says it did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class KeepOptions:
    """Where cells are trained again; nothing here changes what is kept on a CPU.

    Attributes:
        threads: heads trained at the same time; None is one a core.
        device: ``cpu``, or ``cuda`` for a sweep that a GPU trained; the CPU where there is none.
        cache_dir: where embeddings are cached; None is the default place.
        check: read every byte of the files that are there, instead of their sizes alone.
    """

    threads: int | None = None
    device: str = "cpu"
    cache_dir: Path | None = None
    check: bool = False


@dataclass(kw_only=True)
class KeepSummary:
    """What was kept.

    Attributes:
        sweep: its name.
        cells: cells that are to be kept.
        written: replicates trained again and written.
        present: replicates that were kept before and stay.
        removed: replicates that are kept no more.
        refused: one line for each replicate that came out otherwise than stored; not written.
        exact: whether every replicate written equals the stored one to the bit.
        largest: the largest difference of a metric of the replicates written.
        interrupted: stopped before the end; the next call goes on.
        seconds: wall time.
    """

    sweep: str
    cells: int = 0
    written: int = 0
    present: int = 0
    removed: int = 0
    refused: list[str] = field(default_factory=list)
    exact: bool = True
    largest: float = 0.0
    interrupted: bool = False
    seconds: float = 0.0


def keep_words(summary: KeepSummary) -> Iterator[str]:
    """Say in lines what was kept and how exactly."""
    parts = [f"{summary.cells} cells", f"{summary.written} replicates written"]
    parts += [f"{summary.present} were there"] if summary.present else []
    parts += [f"{summary.removed} removed"] if summary.removed else []
    yield f"{summary.sweep}: {', '.join(parts)} in {summary.seconds:.1f} s."
    if summary.written:
        yield (
            "Every metric equals the stored one to the bit."
            if summary.exact
            else f"Metrics equal the stored ones within {summary.largest:.1g}: another processor, "
            "library or device rounds otherwise."
        )
    for line in summary.refused:
        yield f"not kept: {line}"
    if summary.interrupted:
        yield "Stopped before the end; run the same command again to continue."
