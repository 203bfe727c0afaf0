"""Store URLs: what is accepted, and how one is shown without its password."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, quote_plus

import sqlalchemy as sa

from storage.errors import DriverError, StoreUrlError
from storage.masking import MASK

POSTGRES_EXTRA = "pip install 'sigmoidf1-sweeps[postgres]'"

_FORMS = "sqlite:///FILE.db or postgresql://USER:PASSWORD@HOST/DATABASE"


def mask_url(url: str | sa.URL) -> str:
    """The URL as users write it, every password replaced by `***`, for messages and logs.

    Args:
        url: a URL, also one that cannot be parsed.

    Returns:
        The URL's text without its passwords.

    Example:
        >>> mask_url("postgresql://ann:secret@db.example/sweeps")
        'postgresql://ann:***@db.example/sweeps'
    """
    text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    text = re.sub(r"^(sqlite|postgresql)\+(pysqlite|psycopg):", r"\1:", text)
    text = re.sub(r"(//[^:/@?#]*:).*@", rf"\1{MASK}@", text, flags=re.DOTALL)
    return re.sub(r"(?i)(password=)[^&]*", rf"\1{MASK}", text)


def mask_message(message: str, url: sa.URL) -> str:
    """The first line of a driver's message, without the URL's passwords."""
    secrets = [url.password] if url.password else []
    for key, value in url.query.items():
        if "password" in key.lower():
            secrets += [value] if isinstance(value, str) else list(value)
    for secret in secrets:
        for form in (secret, quote(secret), quote_plus(secret)):
            message = message.replace(form, MASK)
    return next(iter(message.strip().splitlines()), "no reason given")


def parse_url(url: str | sa.URL) -> sa.URL:
    """Check a store's URL and complete it with the driver that the store uses.

    Args:
        url: `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://…`.

    Returns:
        The URL; an SQLite path made absolute, so that a later change of folder does not matter.

    Raises:
        StoreUrlError: the text is no URL, or names no file.
        DriverError: the database or the driver is not one that the store uses.
    """
    if isinstance(url, str) and "://" not in url:
        example = f"sqlite:///{url}" if url and "@" not in url else _FORMS
        raise StoreUrlError(
            f"A store is named by a URL, but got {mask_url(url)!r}. Write {example}."
        )
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise StoreUrlError(
            f"A store's URL has the form {_FORMS}, but got {mask_url(url)!r}."
        ) from None
    backend, _, driver = parsed.drivername.partition("+")
    if backend in ("postgresql", "postgres") and driver in ("", "psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and driver in ("", "pysqlite"):
        return _sqlite_url(parsed)
    raise DriverError(
        f"A store is an SQLite file or a PostgreSQL database, but got {parsed.drivername!r}. "
        f"Write {_FORMS} (PostgreSQL needs: {POSTGRES_EXTRA})."
    )


def _sqlite_url(url: sa.URL) -> sa.URL:
    name = url.database or ""
    if url.host or url.username or not name or name == ":memory:" or name.startswith("file:"):
        raise StoreUrlError(
            f"An SQLite store is a file on disk, but got {mask_url(url)!r}. "
            "Write sqlite:///FILE.db, or sqlite:////FOLDER/FILE.db for an absolute path."
        )
    if url.query:
        raise StoreUrlError(
            f"An SQLite store's URL takes no options, but got {sorted(url.query)}. "
            "Leave out the part after '?'."
        )
    return sa.URL.create("sqlite+pysqlite", database=str(Path(name).expanduser().absolute()))
