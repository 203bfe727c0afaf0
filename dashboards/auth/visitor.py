"""Who asks: read from the session's cookie or from the access token of a request."""

from __future__ import annotations

from flask import g, request

from dashboards.auth.access import Access
from dashboards.auth.credentials import Identity

_BEARER = "bearer "


def session_cookie(access: Access) -> str:
    """Return the name of the session's cookie in the request's scheme.

    By its prefix the browser takes it over https alone, and from this very host.
    """
    prefix = "__Host-" if request.is_secure else ""
    return f"{prefix}sigmoidf1-{access.sessions.label}"


def session_identity(access: Access) -> Identity | None:
    """Return who has the session of the request's cookie; None without one that holds."""
    session = access.sessions.read(request.cookies.get(session_cookie(access), ""))
    if session is None or not access.credentials.holds(session.identity):
        return None
    return session.identity


def identify(access: Access) -> Identity | None:
    """Return who asks, by ``Authorization: Bearer TOKEN`` if there is such a header, or session."""
    header = request.headers.get("Authorization", "")
    if not header:
        return session_identity(access)
    if header[: len(_BEARER)].lower() != _BEARER:
        return None
    return access.credentials.by_token(header[len(_BEARER) :].strip())


def current_user() -> str | None:
    """Return the name of whoever asks; None where no access is demanded."""
    identity: Identity | None = g.get("identity")
    return None if identity is None else identity.name
