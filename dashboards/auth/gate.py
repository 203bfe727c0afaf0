"""The gate: every address but a few is closed to whoever has neither session nor token."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from flask import Flask, Response, g, make_response, redirect, request

from dashboards.auth.access import Access
from dashboards.auth.hosts import is_local_host
from dashboards.auth.login import LOGIN, LOGOUT, OPEN_FILES, register_login
from dashboards.auth.visitor import identify
from dashboards.health import PATH as HEALTH

# What programs ask for: they are told in a line, not sent to a form.
_FOR_PROGRAMS = ("/api/", "/metrics", "/_")
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def register_gate(server: Flask, access: Access | None, *, local_only: bool = False) -> None:
    """Close every address but ``/healthz`` and the log-in page, where access is demanded.

    To be called before the app looks at requests: what is refused reaches nothing else.

    Args:
        server: the app's WSGI application.
        access: what opens the doors; None leaves them open.
        local_only: answer only requests for a name of this machine itself. A page of elsewhere
            could otherwise have a name of its own point here, and read what is open to localhost.
    """
    if local_only:
        server.before_request(_refuse_other_hosts)
    if access is None:
        return

    @server.before_request
    def close() -> Response | None:
        if request.method not in _SAFE_METHODS and _is_from_elsewhere():
            return _line("This request comes from another site. Open the dashboard itself.", 403)
        is_log_out = request.path == LOGOUT and request.method == "POST"
        if is_log_out or request.path in (HEALTH, LOGIN, *OPEN_FILES):
            return None
        g.identity = identify(access)
        return _refuse() if g.identity is None else None

    @server.after_request
    def keep_private(response: Response) -> Response:
        """Let no cache that several people share keep what one of them may see."""
        policy = response.headers.get("Cache-Control", "no-cache")
        if "no-store" not in policy:
            policy = policy.removeprefix("public, ").removeprefix("private, ")
            response.headers["Cache-Control"] = f"private, {policy}"
        return response

    register_login(server, access)


def _refuse() -> Response:
    wants_page = request.method == "GET" and "text/html" in request.headers.get("Accept", "")
    if wants_page and not request.path.startswith(_FOR_PROGRAMS):
        asked = request.full_path.rstrip("?")
        target = LOGIN if asked == "/" else f"{LOGIN}?next={quote(asked)}"
        answer = make_response(redirect(target, 303))
    else:
        answer = _line("This needs a log-in, or Authorization: Bearer TOKEN.", 401)
        answer.headers["WWW-Authenticate"] = 'Bearer realm="sigmoidf1"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _is_from_elsewhere() -> bool:
    """Whether a browser says that a page of another site makes it send this."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.host


def _refuse_other_hosts() -> Response | None:
    if is_local_host(request.host):
        return None
    return _line(
        "Without a log-in the dashboard answers to localhost alone, but was asked as another "
        "host. Start it with --auth-file, or with --insecure.",
        403,
    )


def _line(text: str, status: int) -> Response:
    return Response(f"{text}\n", status, mimetype="text/plain")
