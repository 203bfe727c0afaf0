"""Writes docs/commands.md: the help of every command. Run it after changing one.

python docs/write_commands.py          writes the page
python docs/write_commands.py --check  says whether the page is up to date
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import typer

from sweeps.cli.main import app

PAGE = Path(__file__).with_name("commands.md")
WIDTH = 100
INTRODUCTION = """\
# Commands

The help of every command, as `--help` shows it. This page is written by
`python docs/write_commands.py`; a test compares the two.

Exit status: 0 done, 1 failed, 2 a wrong argument, 130 interrupted (Ctrl-C, `sweep stop`). Errors
are one line on standard error; `sigmoidf1 --debug COMMAND` shows the traceback. `--json` prints
the same facts for programs.
"""


def page() -> str:
    """The page's text."""
    blocks = [INTRODUCTION]
    for path, command in commands():
        level = "##" if path.count(" ") <= 1 and hasattr(command, "commands") else "###"
        blocks.append(f"{level} {path}\n\n```text\n{help_text(path, command)}\n```\n")
    return "\n".join(blocks)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and group with its full name, parents first."""

    def walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield path, command
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(f"{path} {name}", inner)

    yield from walk("sigmoidf1", typer.main.get_command(app))


def help_text(path: str, command: click.Command) -> str:
    """The help of one command, plain: without boxes, and of one width."""
    command.rich_markup_mode = None  # type: ignore[attr-defined]
    context = command.context_class(command, info_name=path, terminal_width=WIDTH)
    context.max_content_width = WIDTH
    lines = command.get_help(context).splitlines()
    return "\n".join(line.rstrip() for line in lines).strip()


def main() -> int:
    """Write or check the page; the exit status."""
    text = page()
    if "--check" in sys.argv[1:]:
        stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text
        print(f"{PAGE} is {'stale: run python docs/write_commands.py' if stale else 'up to date'}.")  # noqa: T201
        return int(stale)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
