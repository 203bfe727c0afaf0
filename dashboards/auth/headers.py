"""Headers that tell a browser what the dashboard's pages may do, and who may use them."""

from __future__ import annotations

from dash import Dash
from flask import Response, request

from dashboards.auth.hosts import is_local_host
from dashboards.auth.login import LOGIN

# Nothing is allowed but what is named. Scripts are files of this server, and the two lines with
# which Dash starts, by their hashes. Mantine, AG Grid and plotly make style elements while they
# run, whose text no hash can foresee: styles may be inline. Icons of AG Grid are fonts within its
# style sheet; plotly makes a picture of a figure by way of a blob.
_PAGE = (
    "default-src 'none'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_LOGIN = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_NO_PAGE = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # The first answer is made for the page that the Referer names; other sites learn nothing.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
        "magnetometer=(), microphone=(), midi=(), payment=(), usb=()"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
}


def register_headers(app: Dash) -> None:
    """Send the headers with every answer; to be called when all callbacks are registered."""
    page = _PAGE.format(hashes=" ".join(app.csp_hashes()))

    @app.server.after_request
    def send(response: Response) -> Response:
        response.headers.update(_ALWAYS)
        response.headers["Content-Security-Policy"] = _policy(response, page)
        # Browsers obey it there alone; elsewhere they ignore it, and complain.
        if request.is_secure or is_local_host(request.host):
            response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        return response


def _policy(response: Response, page: str) -> str:
    if response.mimetype != "text/html":
        return _NO_PAGE
    return _LOGIN if request.path == LOGIN else page
