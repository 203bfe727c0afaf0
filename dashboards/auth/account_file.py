"""The file of accounts: names with hashed passwords, and hashed access tokens of programs."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dashboards.auth.errors import AccountError
from dashboards.auth.private_files import check_private, write_private

PASSWORD_LENGTHS = (8, 1000)
_FORMAT = "sigmoidf1-accounts-1"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@-]{0,62}[A-Za-z0-9])?")
_PASSWORD_HASH = re.compile(r"scrypt:\d+:\d+:\d+\$[^$]+\$[0-9a-f]{128}")
_TOKEN_HASH = re.compile(r"[0-9a-f]{64}")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Accounts:
    """Who may see the dashboard.

    Attributes:
        users: name to hashed password, ``scrypt:N:r:p$salt$hash``.
        tokens: name of a program to the SHA-256 (hex) of its access token.
    """

    users: Mapping[str, str] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=dict)


def read_accounts(path: Path) -> Accounts:
    """Read a file of accounts.

    Args:
        path: what `change_accounts` wrote.

    Raises:
        AccountError: it is missing, others may read or change it, or it is no file of accounts.
    """
    check_private(path, "The file of accounts")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AccountError(
            f"The file of accounts must be readable, but {path} is not ({error.strerror}). "
            "Make one: sigmoidf1 auth add-user FILE NAME"
        ) from error
    except ValueError:
        document = None
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise AccountError(
            f"A file of accounts is JSON with format {_FORMAT}, but {path} is not. "
            "Make one: sigmoidf1 auth add-user FILE NAME"
        )
    users, tokens = (_section(document, name, path) for name in ("users", "tokens"))
    for name, hashed in users.items():
        if not _PASSWORD_HASH.fullmatch(hashed):
            raise AccountError(
                f"A password is kept hashed by scrypt, but that of {name[:64]!r} in {path} is not. "
                "Set it: sigmoidf1 auth set-password FILE NAME"
            )
    if not all(_TOKEN_HASH.fullmatch(hashed) for hashed in tokens.values()):
        raise AccountError(
            f"A token is kept as its SHA-256, but one in {path} is not. "
            "Make it anew: sigmoidf1 auth add-token FILE NAME"
        )
    return Accounts(users, tokens)


def _section(document: Mapping[str, Any], name: str, path: Path) -> dict[str, str]:
    section = document.get(name, {})
    if not isinstance(section, dict) or not all(isinstance(v, str) for v in section.values()):
        raise AccountError(f"{name} of {path} must map names to texts, but do not. Restore it.")
    return section


def change_accounts(path: Path, change: Callable[[Accounts], Accounts]) -> Accounts:
    """Change a file of accounts, whole or not at all; it is made if there is none.

    Args:
        path: the file; only its owner may read a new one.
        change: from the accounts that are there to those that shall be.

    Raises:
        AccountError: the file is none of accounts, or cannot be written; it stays as it was.
    """
    with _alone(path):
        known = read_accounts(path) if path.exists() else Accounts()
        accounts = change(known)
        document = {
            "format": _FORMAT,
            "users": dict(sorted(accounts.users.items())),
            "tokens": dict(sorted(accounts.tokens.items())),
        }
        write_private(path, json.dumps(document, indent=2) + "\n")
    return accounts


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time change the file; the lock is on its folder."""
    try:
        folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise AccountError(
            f"The file of accounts is made in an existing folder, but {path.parent} is not one "
            f"({error.strerror}). Make the folder first."
        ) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def with_user(accounts: Accounts, name: str, password: str, *, exists: bool) -> Accounts:
    """Return accounts with a new user, or with another password of a known one.

    Args:
        accounts: those that are there.
        name: 1 to 64 letters, digits, dots, dashes, underscores or ``@``.
        password: 8 to 1000 characters, not the name.
        exists: whether the user must be known already, or must not.

    Raises:
        AccountError: the name or the password breaks a rule.
    """
    from werkzeug.security import generate_password_hash

    _check_user(accounts, name, exists=exists)
    shortest, longest = PASSWORD_LENGTHS
    if not shortest <= len(password) <= longest:
        raise AccountError(
            f"A password has {shortest} to {longest} characters, but got {len(password)}. "
            "Choose another."
        )
    if password.casefold() == name.casefold():
        raise AccountError("A password must not be the user's name. Choose another.")
    hashed = generate_password_hash(password, method="scrypt")
    return replace(accounts, users={**accounts.users, name: hashed})


def check_account(path: Path, name: str, *, exists: bool) -> None:
    """Refuse what `with_user` would refuse of a name, before a password is asked for.

    Raises:
        AccountError: the file is none of accounts, or the name breaks a rule.
    """
    _check_user(read_accounts(path) if path.exists() else Accounts(), name, exists=exists)


def _check_user(accounts: Accounts, name: str, *, exists: bool) -> None:
    check_name(name)
    if (name in accounts.users) != exists:
        known = "is not in the file" if exists else "is in the file already"
        command = "add-user" if exists else "set-password"
        raise AccountError(f"User {name} {known}. Use: sigmoidf1 auth {command} FILE {name}")


def with_token(accounts: Accounts, name: str) -> tuple[Accounts, str]:
    """Return accounts with a token of a program, and the token, which is kept nowhere else.

    Raises:
        AccountError: the name breaks a rule or is taken.
    """
    check_name(name)
    if name in accounts.tokens:
        raise AccountError(
            f"Token {name} is in the file already. Remove it first: "
            f"sigmoidf1 auth remove-token FILE {name}"
        )
    token = secrets.token_urlsafe(32)
    return replace(accounts, tokens={**accounts.tokens, name: token_hash(token)}), token


def without(accounts: Accounts, kind: str, name: str) -> Accounts:
    """Return accounts without a name of ``users`` or ``tokens``.

    Raises:
        AccountError: there is no such name.
    """
    section = dict(getattr(accounts, kind))
    if section.pop(name, None) is None:
        known = ", ".join(sorted(section)) or "none"
        raise AccountError(f"The file has no {kind.rstrip('s')} {name!r}. Known: {known}.")
    return replace(accounts, **{kind: section})


def check_name(name: str) -> None:
    """Refuse a name that could be mistaken for something else on a page or in a log.

    Raises:
        AccountError: the name breaks the rule.
    """
    if not _NAME.fullmatch(name):
        raise AccountError(
            "A name has 1 to 64 letters, digits, dots, dashes, underscores or @, and begins and "
            f"ends with a letter or digit, but got {name[:64]!r}. Choose another."
        )


def token_hash(token: str) -> str:
    """Return the SHA-256 (hex) of an access token; its 256 random bits need no slower hash."""
    return hashlib.sha256(token.encode()).hexdigest()


class AccountFile:
    """A file of accounts that is followed: a change counts from the next request on.

    Safe to share between threads. If the file can no longer be read, nobody has an account.

    Raises:
        AccountError: the file cannot be read, or has no account.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen = self._signature()
        self._accounts = read_accounts(path)
        if not self._accounts.users and not self._accounts.tokens:
            raise AccountError(
                f"The file of accounts must have one, but {path} has none. "
                "Add one: sigmoidf1 auth add-user FILE NAME"
            )

    def read(self) -> Accounts:
        """Return the accounts of this moment."""
        signature = self._signature()
        with self._lock:
            if signature != self._seen:
                self._seen = signature
                try:
                    self._accounts = read_accounts(self._path)
                except AccountError as error:
                    logger.error("Nobody can log in: %s", error)
                    self._accounts = Accounts()
            return self._accounts

    def _signature(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode
