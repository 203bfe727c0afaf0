"""The access token and the key of sessions: where they come from, and what they must be."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path

from dashboards.auth.errors import AccountError
from dashboards.auth.private_files import check_private, create_private

TOKEN_VARIABLE = "SIGMOIDF1_DASHBOARD_TOKEN"  # noqa: S105  # nosec B105
KEY_VARIABLE = "SIGMOIDF1_SESSION_KEY"
SHORTEST_TOKEN, SHORTEST_KEY = 24, 32
_MAKE = 'python -c "import secrets; print(secrets.token_urlsafe(32))"'

logger = logging.getLogger(__name__)


def read_token(path: Path | None, text: str | None) -> str | None:
    """Return the access token, from a file or the environment; None without either.

    Args:
        path: a file that holds the token alone.
        text: the content of ``$SIGMOIDF1_DASHBOARD_TOKEN``.

    Raises:
        AccountError: both are given, the file cannot be read, or the token could be guessed.
    """
    if path is not None and text:
        raise AccountError(
            f"The token comes from a file or from {TOKEN_VARIABLE}, but got both. Leave out one."
        )
    if path is not None:
        check_private(path, "The file of the token")
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise AccountError(
                f"The file of the token must be readable, but {path} is not ({reason}). "
                f"Make one: {_MAKE} > FILE"
            ) from None
    elif not text:
        return None
    return _checked(text or "", "A token", SHORTEST_TOKEN)


def _checked(text: str, what: str, shortest: int) -> str:
    if len(text) < shortest or not text.isascii() or not text.isprintable() or " " in text:
        raise AccountError(
            f"{what} has at least {shortest} random letters and digits, but got one of "
            f"{len(text)} characters, or with others. Make one: {_MAKE}"
        )
    return text


def session_key(text: str | None, auth_file: Path | None, token: str | None) -> bytes:
    """Return the key that signs sessions; it is the same after a restart.

    From ``$SIGMOIDF1_SESSION_KEY``, else from ``FILE.key`` beside the file of accounts, made when
    it is not there, else, where a token alone opens the doors, from the token.

    Args:
        text: the content of ``$SIGMOIDF1_SESSION_KEY``.
        auth_file: the file of accounts.
        token: the access token.

    Raises:
        AccountError: the key could be guessed, is open to other users, or cannot be kept.
    """
    if text:
        return _checked(text, KEY_VARIABLE, SHORTEST_KEY).encode()
    if auth_file is None:
        return f"sessions of {token}".encode()
    path = auth_file.with_name(f"{auth_file.name}.key")
    check_private(path, "The key of sessions")
    try:
        if not path.exists() and create_private(path, secrets.token_hex(32) + "\n"):
            logger.info("made the key of sessions %s", path)
        return _checked(path.read_text(encoding="utf-8").strip(), str(path), SHORTEST_KEY).encode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise AccountError(
            f"The key that signs sessions is kept in {path}, which cannot be used ({reason}). "
            f"Let the folder be written, or set {KEY_VARIABLE} to {SHORTEST_KEY} or more random "
            "characters."
        ) from None
