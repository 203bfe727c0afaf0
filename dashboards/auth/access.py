"""What the dashboard demands of those who come: made once, when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dashboards.auth.account_file import AccountFile
from dashboards.auth.credentials import Credentials
from dashboards.auth.secret_texts import session_key
from dashboards.auth.sessions import SESSION_S, EndedSessions, Sessions


@dataclass(frozen=True)
class Access:
    """The credentials that open the doors, and the sessions of those who came in."""

    credentials: Credentials
    sessions: Sessions


def open_access(
    auth_file: Path | None,
    token: str | None,
    *,
    key: str | None = None,
    session_s: float = SESSION_S,
) -> Access | None:
    """Return what the dashboard demands; None if nothing.

    Args:
        auth_file: the file of accounts, followed while the program runs. The key that signs
            sessions and the list of those ended are kept beside it.
        token: the access token of the service.
        key: what signs sessions, from ``$SIGMOIDF1_SESSION_KEY``; nothing is then written.
        session_s: seconds after which people log in again.

    Raises:
        AccountError: a file cannot be used.
    """
    if auth_file is None and token is None:
        return None
    accounts = None if auth_file is None else AccountFile(auth_file)
    signing = session_key(key, auth_file, token)
    beside = None if auth_file is None or key else auth_file.with_name(f"{auth_file.name}.ended")
    ended = EndedSessions(beside)
    return Access(Credentials(accounts, token), Sessions(signing, ended, length_s=session_s))
