"""Sessions of people who logged in: a signed text in a cookie, and the list of those ended."""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from itsdangerous import BadData, URLSafeSerializer

from dashboards.auth.credentials import Identity
from dashboards.auth.errors import AccountError
from dashboards.auth.private_files import check_private, write_private

SESSION_S = 12 * 3600.0
_MOST_ENDED = 4096

logger = logging.getLogger(__name__)


class Session(NamedTuple):
    """One log-in.

    Attributes:
        key: its random name.
        identity: who logged in.
        began, until: seconds of Unix time.
    """

    key: str
    identity: Identity
    began: float
    until: float


class EndedSessions:
    """The sessions that were ended by logging out, until they would have ended anyway.

    It is kept in a file, so that a copied cookie does not come to life again with a restart. When
    more than 4096 people log out within a session's length, everyone is logged out: what is
    remembered stays small, and no ended session is forgotten.

    Safe to share between threads.

    Args:
        path: the file; None remembers in this process alone.

    Raises:
        AccountError: the file cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}
        self._all_before = 0.0
        if path is not None and path.exists():
            check_private(path, "The list of ended sessions")
            self._load(path)

    def add(self, session: Session, now: float) -> None:
        """End a session for good."""
        with self._lock:
            self._until = {key: until for key, until in self._until.items() if until > now}
            self._until[session.key] = session.until
            if len(self._until) > _MOST_ENDED:
                self._until.clear()
                self._all_before = now
            self._save()

    def has(self, session: Session) -> bool:
        """Whether a session was ended."""
        with self._lock:
            return session.key in self._until or session.began <= self._all_before

    def _load(self, path: Path) -> None:
        try:
            for line in path.read_text(encoding="utf-8").splitlines():
                key, until = line.split()
                if key == "*":
                    self._all_before = float(until)
                else:
                    self._until[key] = float(until)
        except (OSError, ValueError) as error:
            raise AccountError(
                f"The list of ended sessions must be readable, but {path} is not ({error}). "
                "Remove it together with the key beside it: everyone then logs in again."
            ) from error

    def _save(self) -> None:
        if self._path is None:
            return
        lines = [f"* {self._all_before}", *(f"{k} {until}" for k, until in self._until.items())]
        try:
            write_private(self._path, "\n".join(lines) + "\n")
        except AccountError as error:
            logger.error("A log-out will be forgotten with the next restart: %s", error)


class Sessions:
    """Begins, reads and ends sessions; a session is a text that only the holder of the key signs.

    Safe to share between threads.

    Args:
        key: what signs; whoever has it can make any session.
        ended: those that were ended.
        length_s: seconds after which a session ends by itself.
        clock: the time, in seconds of Unix time.
    """

    def __init__(
        self,
        key: bytes,
        ended: EndedSessions,
        *,
        length_s: float = SESSION_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        options = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
        self._serializer = URLSafeSerializer(key, salt="sigmoidf1 session", signer_kwargs=options)
        self._forms = URLSafeSerializer(key, salt="sigmoidf1 form", signer_kwargs=options)
        self._ended = ended
        self._clock = clock
        self.length_s = length_s
        # Cookies know no ports: two dashboards of one machine keep theirs apart by this.
        self.label = hashlib.sha256(b"label of " + key).hexdigest()[:8]

    def begin(self, identity: Identity) -> str:
        """Return the signed text of a new session."""
        now = self._clock()
        session = Session(secrets.token_hex(16), identity, now, now + self.length_s)
        return str(self._serializer.dumps([session.key, list(identity), now, session.until]))

    def read(self, text: str) -> Session | None:
        """Return the session of a signed text; None if it is forged, ended or too old."""
        session = self._parse(text)
        if session is None or self._clock() >= session.until or self._ended.has(session):
            return None
        return session

    def end(self, text: str) -> None:
        """End the session of a signed text, if it is one, for good."""
        session = self.read(text)
        if session is not None:
            self._ended.add(session, self._clock())

    def sign_form(self, nonce: str) -> str:
        """Return what a form carries so that only a page of ours can have sent it."""
        return str(self._forms.dumps([nonce, self._clock()]))

    def check_form(self, text: str, nonce: str, longest_s: float) -> bool:
        """Whether a form was made for who has this nonce in a cookie, not too long ago."""
        try:
            signed, made = self._forms.loads(text)
        except (BadData, ValueError, TypeError):
            return False
        return bool(nonce) and signed == nonce and self._clock() - made < longest_s

    def _parse(self, text: str) -> Session | None:
        try:
            content: Any = self._serializer.loads(text)
            key, identity, began, until = content
            return Session(str(key), Identity(*identity), float(began), float(until))
        except (BadData, ValueError, TypeError):
            return None
