"""Tells who somebody is, by a password or by an access token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from typing import NamedTuple

from werkzeug.security import check_password_hash, generate_password_hash

from dashboards.auth.account_file import PASSWORD_LENGTHS, AccountFile, token_hash

TOKEN_USER = "token"  # noqa: S105  # nosec B105
# scrypt takes 32 MiB and a tenth of a second: a crowd at the door leaves threads to those inside.
_CHECKS, _PATIENCE_S = 2, 2.0


class BusyError(Exception):
    """More people log in at this moment than passwords can be checked."""


class Identity(NamedTuple):
    """Who somebody is.

    Attributes:
        name: of the user, or of the token.
        kind: ``user`` or ``token``.
        proof: changes when the password or token does, and says nothing about it.
    """

    name: str
    kind: str
    proof: str


class Credentials:
    """What opens the doors: the passwords and tokens of a file, one token, or both.

    Safe to share between threads.

    Args:
        accounts: the file of accounts.
        token: the access token of the whole service.
    """

    def __init__(self, accounts: AccountFile | None, token: str | None) -> None:
        self._accounts = accounts
        self._token = token
        self._checks = threading.BoundedSemaphore(_CHECKS)
        # An unknown name takes as long as a known one.
        self._nobody = generate_password_hash(secrets.token_hex(16)) if accounts else ""

    @property
    def has_names(self) -> bool:
        """Whether people log in by name and password; else by the token."""
        return self._accounts is not None

    def knows(self, name: str) -> bool:
        """Whether a user has this name; not to be shown to whoever is not logged in."""
        return self._accounts is not None and name in self._accounts.read().users

    def by_password(self, name: str, password: str) -> Identity | None:
        """Return whose password it is; where there are no names, the password is the token.

        Raises:
            BusyError: too many passwords are being checked; nothing was looked at.
        """
        if self._accounts is None:
            return self._service(token_hash(password))
        if not self._checks.acquire(timeout=_PATIENCE_S):
            raise BusyError
        try:
            hashed = self._accounts.read().users.get(name)
            matches = len(password) <= PASSWORD_LENGTHS[1] and check_password_hash(
                hashed or self._nobody, password
            )
        finally:
            self._checks.release()
        return Identity(name, "user", _proof(hashed)) if hashed and matches else None

    def by_token(self, token: str) -> Identity | None:
        """Return whose access token it is."""
        given = token_hash(token)
        found = self._service(given)
        tokens = self._accounts.read().tokens if self._accounts is not None else {}
        for name, hashed in tokens.items():
            if hmac.compare_digest(hashed, given):
                found = Identity(name, "token", _proof(hashed))
        return found

    def holds(self, identity: Identity) -> bool:
        """Whether what somebody once proved is still so: the user is there, the password the same.

        Args:
            identity: from `by_password`, maybe of another run of the program.
        """
        if self._accounts is not None:
            hashed = self._accounts.read().users.get(identity.name)
        else:
            hashed = None if self._token is None else token_hash(self._token)
        return hashed is not None and hmac.compare_digest(_proof(hashed), identity.proof)

    def _service(self, given: str) -> Identity | None:
        if self._token is None or not hmac.compare_digest(token_hash(self._token), given):
            return None
        return Identity(TOKEN_USER, "token", _proof(given))


def _proof(hashed: str) -> str:
    return hashlib.sha256(f"proof of {hashed}".encode()).hexdigest()[:32]
