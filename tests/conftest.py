"""What all tests share."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Hear Ctrl-C, here and in every process that a test starts.

    A shell that starts a command in the background has it ignore SIGINT, which children inherit:
    tests that interrupt a run would then wait for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
