"""Parameters of a tile's heads, side by side as columns of one aligned matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ALIGNMENT = 64  # columns; a multiple of every SIMD width, so that no column is a scalar remainder


def aligned(columns: int) -> int:
    """``columns`` rounded up to the alignment."""
    return -(-columns // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True)
class ColumnBlock:
    """One parameter of all heads of a tile; head h has columns ``h * per_head`` and following.

    Attributes:
        name: the parameter's name, as in ``nn.Linear`` and ``nn.Sequential``.
        rows: rows of the matrix; 0 for a vector.
        per_head: columns of one head.
        slots: heads.
    """

    name: str
    rows: int
    per_head: int
    slots: int

    @property
    def width(self) -> int:
        """Columns with padding."""
        return aligned(self.slots * self.per_head)

    def zeros(self, device: torch.device) -> Tensor:
        """Storage (rows, width), or (width,) for a vector."""
        shape = (self.rows, self.width) if self.rows else (self.width,)
        return torch.zeros(shape, device=device)

    def heads(self, storage: Tensor) -> Tensor:
        """The storage as a view (slots, rows, per_head), or (slots, per_head), without padding."""
        used = storage[..., : self.slots * self.per_head]
        view = used.unflatten(-1, (self.slots, self.per_head))
        return view.movedim(-2, 0)

    def row(self, values: Sequence[float] | Tensor, fill: float, device: torch.device) -> Tensor:
        """One value a head, spread over its columns: (width,); ``fill`` where there is no head."""
        row = torch.full((self.width,), fill, dtype=torch.float32)
        spread = torch.as_tensor(values, dtype=torch.float32).repeat_interleave(self.per_head)
        row[: len(spread)] = spread
        return row.to(device)
