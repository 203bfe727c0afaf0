"""The log-in page: its form, what it refuses and how often, and logging out."""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import math
import re
import secrets
from pathlib import Path
from typing import Any, NamedTuple

from flask import Blueprint, Flask, Response, make_response, redirect, render_template, request

from dashboards.auth.access import Access
from dashboards.auth.credentials import BusyError, Identity
from dashboards.auth.limits import Attempts
from dashboards.auth.visitor import session_cookie, session_identity
from dashboards.theme import DARK, LIGHT, css_variables

LOGIN, LOGOUT = "/login", "/logout"
OPEN_FILES = (f"{LOGIN}/style.css", f"{LOGIN}/icon.svg")
# Attempts at once, and seconds until one more. Who guesses one name from many addresses is held by
# the name, whose owner then waits as well; a token is too long to be guessed, and has no name.
ADDRESS_ATTEMPTS, NAME_ATTEMPTS = (5, 30.0), (10, 60.0)
_FORM_S = 3600
_MOST_BYTES = 16 * 1024
_LONGEST_NEXT = 4096
# A path of this host: "//host" and "/\host" are others', and browsers drop control characters.
_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
_STATIC = Path(__file__).parent / "static"

logger = logging.getLogger(__name__)


class _Refused(NamedTuple):
    """Why somebody is not let in: what the page says, its status, and seconds to wait or None."""

    text: str
    status: int
    wait_s: int | None = None


_EXPIRED = _Refused("The form was open for too long, or cookies are off. Please try again.", 400)


def register_login(server: Flask, access: Access) -> None:
    """Serve the log-in page and its files, and take log-ins and log-outs.

    Args:
        server: the app's WSGI application.
        access: what opens the doors.
    """
    pages = Blueprint("login", __name__, template_folder="templates")
    desk = _Desk(access)

    @pages.get(LOGIN)
    def show() -> Any:
        target = safe_path(request.args.get("next", ""))
        if session_identity(access) is not None:
            return redirect(target, 303)
        return desk.form(target)

    @pages.post(LOGIN)
    def log_in() -> Any:
        request.max_content_length = _MOST_BYTES
        target = safe_path(request.form.get("next", ""))
        found = desk.judge(request.form.get("name", ""), request.form.get("password", ""))
        if isinstance(found, _Refused):
            return desk.form(target, found, request.form.get("name", ""))
        answer = redirect(target, 303)
        answer.set_cookie(
            session_cookie(access),
            access.sessions.begin(found),
            max_age=int(access.sessions.length_s),
            secure=request.is_secure,
            httponly=True,
            samesite="Lax",  # a link from elsewhere opens the page; only a form from there does not
        )
        return _unkept(answer)

    @pages.post(LOGOUT)
    def log_out() -> Any:
        access.sessions.end(request.cookies.get(session_cookie(access), ""))
        answer = redirect(LOGIN, 303)
        answer.delete_cookie(session_cookie(access), secure=request.is_secure, httponly=True)
        return _unkept(answer)

    style = _style()

    @pages.get(OPEN_FILES[0])
    def style_sheet() -> Response:
        return Response(style, mimetype="text/css", headers={"Cache-Control": "max-age=3600"})

    @pages.get(OPEN_FILES[1])
    def icon() -> Response:
        drawing = (_STATIC / "icon.svg").read_text(encoding="utf-8")
        return Response(
            drawing, mimetype="image/svg+xml", headers={"Cache-Control": "max-age=3600"}
        )

    server.register_blueprint(pages)


def safe_path(text: str) -> str:
    """Return an address of this dashboard, to go to after the log-in; "/" for any other.

    Example:
        >>> safe_path("/map?sweep=films"), safe_path("//elsewhere.example")
        ('/map?sweep=films', '/')
    """
    is_own = len(text) <= _LONGEST_NEXT and _PATH.fullmatch(text) is not None
    return text if is_own and not text.startswith((LOGIN, LOGOUT)) else "/"


class _Desk:
    """Looks at log-ins: whether the form is ours, whether it may be tried, whether it is right."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._addresses = Attempts(ADDRESS_ATTEMPTS[0], ADDRESS_ATTEMPTS[1])
        self._names = Attempts(NAME_ATTEMPTS[0], NAME_ATTEMPTS[1])

    def judge(self, name: str, password: str) -> Identity | _Refused:
        sent = request.form.get("form", "")
        nonce = request.cookies.get(self._nonce_name(), "")
        if not self._access.sessions.check_form(sent, nonce, _FORM_S):
            return _EXPIRED
        credentials = self._access.credentials
        name = name.strip()
        address = _place(request.remote_addr)
        # A digest, so that long names take no memory.
        digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
        named = digest if credentials.has_names else None
        wait = self._take(address, named)
        if wait:
            return self._wait(wait, name)
        try:
            identity = credentials.by_password(name, password)
        except BusyError:
            identity, wait = None, 1.0
        if identity is not None or wait:
            self._addresses.give_back(address)
            if named is not None:
                self._names.give_back(named)
        if wait:
            return self._wait(wait, name)
        if identity is None:
            logger.warning("a log-in%s from %s was wrong", self._whose(name), request.remote_addr)
            wrong = "Name or password is wrong." if credentials.has_names else "This is no token."
            return _Refused(wrong, 401)
        logger.info("%s logged in from %s", identity.name, request.remote_addr)
        return identity

    def _take(self, address: str, named: str | None) -> float:
        wait = self._addresses.take(address)
        if not wait and named is not None:
            wait = self._names.take(named)
            if wait:
                self._addresses.give_back(address)
        return wait

    def _wait(self, seconds: float, name: str) -> _Refused:
        whole = max(1, math.ceil(seconds))
        unit = "second" if whole == 1 else "seconds"
        logger.warning("log-ins%s from %s wait %d s", self._whose(name), request.remote_addr, whole)
        return _Refused(f"Too many attempts. Try again in {whole} {unit}.", 429, whole)

    def _whose(self, name: str) -> str:
        # People type passwords into the field of the name: only what is a name is logged.
        return f" of {name}" if self._access.credentials.knows(name) else ""

    def form(self, target: str, refused: _Refused | None = None, name: str = "") -> Response:
        """Return the page, with a form that only who got it can send."""
        nonce = request.cookies.get(self._nonce_name(), "")
        if not re.fullmatch(r"[0-9a-f]{32}", nonce):
            nonce = secrets.token_hex(16)
        page = render_template(
            "login.html",
            action=LOGIN,
            form=self._access.sessions.sign_form(nonce),
            has_names=self._access.credentials.has_names,
            icon=OPEN_FILES[1],
            name=name[:100],
            next=target,
            refused=refused.text if refused is not None else "",
            scheme=_scheme(),
            style=OPEN_FILES[0],
        )
        answer = make_response(page, refused.status if refused is not None else 200)
        if refused is not None and refused.wait_s is not None:
            answer.headers["Retry-After"] = str(refused.wait_s)
        answer.set_cookie(
            self._nonce_name(),
            nonce,
            max_age=_FORM_S,
            path=LOGIN,
            secure=request.is_secure,
            httponly=True,
            samesite="Strict",
        )
        return _unkept(answer)

    def _nonce_name(self) -> str:
        return f"sigmoidf1-form-{self._access.sessions.label}"


def _unkept(answer: Any) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    return make_response(answer)


def _place(address: str | None) -> str:
    """Whose attempts are counted together: an IPv4 address, or a network of IPv6 (/64)."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))


def _scheme() -> str:
    """The colour scheme that the dashboard had last, by its cookie; else that of the system."""
    scheme = request.cookies.get("look", "").partition(".")[2]
    return scheme if scheme in ("light", "dark") else ""


def _style() -> str:
    light, dark = css_variables(LIGHT), css_variables(DARK)
    colours = (
        f":root{{{light}}}\n@media (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"
        f":root[data-scheme=light]{{{light}}}\n:root[data-scheme=dark]{{{dark}}}\n"
    )
    return colours + (_STATIC / "login.css").read_text(encoding="utf-8")
