"""What the doors of the dashboard raise."""

from __future__ import annotations

from sweeps.errors import SweepError


class AccountError(SweepError):
    """An account, token or key cannot be used; the text is one line, without the secret."""
