"""What a command says while it works: lines of text, or one JSON object a line."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from storage.masking import mask_text

PACKAGES = ("sigmoidf1", "storage", "sweeps", "dashboards")
VARIABLE = "SIGMOIDF1_LOG_FORMAT"


class LogFormat(StrEnum):
    """Formats of the log on standard error."""

    text = "text"
    json = "json"


_format = LogFormat.text
_handler: logging.Handler | None = None


def configure(log_format: LogFormat) -> None:
    """Send the log of this process to standard error in a format.

    Text has warnings and errors in their own words. JSON has every event of this program as well:
    one object a line with ``time`` (UTC), ``level``, ``logger``, ``event`` (what happened, in one
    word), ``message``, and the event's own fields.

    Args:
        log_format: the format.
    """
    global _format, _handler
    as_json = log_format is LogFormat.json
    root = logging.getLogger()
    if _handler is not None:
        root.removeHandler(_handler)
    _format, _handler = log_format, logging.StreamHandler(sys.stderr)
    _handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    root.addHandler(_handler)
    root.setLevel(logging.WARNING)
    for package in PACKAGES:
        logging.getLogger(package).setLevel(logging.INFO if as_json else logging.NOTSET)


def is_json() -> bool:
    """Whether the log of this process is JSON."""
    return _format is LogFormat.json


def choose(chosen: LogFormat | None) -> LogFormat | None:
    """Take over what ``--log-format`` says, as soon as it is read."""
    if chosen is not None:
        configure(chosen)
    return chosen


def say(logger: str, level: int, event: str, message: str, **fields: Any) -> None:
    """Log one event.

    Args:
        logger: name of the logger, that of the module.
        level: one of `logging`'s.
        event: what happened, in one word.
        message: the same in a sentence.
        fields: what belongs to it, as JSON can hold it.
    """
    logging.getLogger(logger).log(level, message, extra={"event": event, "fields": fields})


def say_error(text: str) -> None:
    """Say in one line why the command ends."""
    if is_json():
        say("sweeps.cli", logging.ERROR, "error", text)
    else:
        typer.echo(mask_text(f"Error: {text}"), err=True)


def say_warning(text: str) -> None:
    """Say in one line what the user should know."""
    if is_json():
        say("sweeps.cli", logging.WARNING, "warning", text)
    else:
        typer.echo(mask_text(f"Warning: {text}"), err=True)


class TextFormatter(logging.Formatter):
    """A record's own words and traceback, without the passwords of URLs in them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        return mask_text(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a line; a record's ``extra`` may hold ``event`` and ``fields``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        time = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": getattr(record, "event", "log"),
            "message": mask_text(record.getMessage()),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = mask_text(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


_HELP = "Log on standard error as text, or as JSON: one object a line."

GlobalOption = Annotated[
    LogFormat,
    typer.Option("--log-format", envvar=VARIABLE, is_eager=True, callback=choose, help=_HELP),
]
Option = Annotated[
    LogFormat | None,
    typer.Option("--log-format", is_eager=True, callback=choose, show_default="text", help=_HELP),
]
