"""Files with secrets: written for their owner alone, and refused when others may read them."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from dashboards.auth.errors import AccountError

# A group may read, so that a container's secret can belong to root and the group of its user.
_FORBIDDEN = stat.S_IRWXO | stat.S_IWGRP
_OWNER_ALONE = 0o600


def check_private(path: Path, what: str) -> None:
    """Refuse a file that everyone on the machine may read, or that others may change.

    Args:
        path: the file; one that is not there is left to its reader.
        what: its name in the message.

    Raises:
        AccountError: its permissions are too wide.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if stat.S_ISREG(mode) and mode & _FORBIDDEN:
        raise AccountError(
            f"{what} must be closed to other users, but {path} has mode "
            f"{stat.S_IMODE(mode):04o}. Close it: chmod 600 {path}"
        )


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all.

    Args:
        path: the file; of one that is there, a link is followed and the mode is kept.
        text: its content.

    Raises:
        AccountError: it cannot be written; an older one stays as it was.
    """
    path = path.resolve()
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else _OWNER_ALONE
        _write_new(part, text, mode)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise AccountError(
            f"The file {path} must be writable, but is not ({error.strerror}). "
            "Choose a folder where you may write."
        ) from error


def create_private(path: Path, text: str) -> bool:
    """Write a file that only its owner may read, unless it is there; whether it was written.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    _write_new(part, text, _OWNER_ALONE)
    try:
        # Of two processes that start at once, one finds the other's.
        os.link(part, path)
    except FileExistsError:
        return False
    finally:
        part.unlink(missing_ok=True)
    return True


def _write_new(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode & 0o660)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
