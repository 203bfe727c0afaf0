"""``sigmoidf1 auth``: the file of accounts of a dashboard that is not for this machine alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli import options
from sweeps.cli.tables import print_json, print_table

if TYPE_CHECKING:
    from dashboards.auth.account_file import Accounts

app = typer.Typer(
    help="Say who may see the dashboard: users with passwords, programs with access tokens.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="The file of accounts; only you can read a new one.")
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]
Token = Annotated[str, typer.Argument(metavar="NAME", help="What the token is for.")]


@app.command(epilog="Example: sigmoidf1 auth add-user accounts.json ann")
def add_user(file: File, name: Name) -> None:
    """Add a user; the password is asked for twice, or is the first line of standard input."""
    _set_password(file, name, exists=False)
    typer.echo(f"{name} can log in. Start: sigmoidf1 dashboard --auth-file {file} --host ADDRESS")


@app.command(epilog="Example: sigmoidf1 auth set-password accounts.json ann")
def set_password(file: File, name: Name) -> None:
    """Change a user's password, asked for as by add-user; it ends the user's sessions."""
    _set_password(file, name, exists=True)
    typer.echo(f"The password of {name} is another now.")


@app.command(epilog="Example: sigmoidf1 auth remove-user accounts.json ann")
def remove_user(file: File, name: Name) -> None:
    """Remove a user; the user's sessions end with the next request."""
    _change(file, name, "users")
    typer.echo(f"{name} can no longer log in.")


@app.command(epilog="Example: sigmoidf1 auth add-token accounts.json prometheus > token")
def add_token(file: File, name: Token) -> None:
    """Make an access token for a program and print it: it is kept hashed, and never shown again.

    The program sends it as Authorization: Bearer TOKEN.
    """
    from dashboards.auth.account_file import change_accounts, with_token

    made = ""

    def change(accounts: Accounts) -> Accounts:
        nonlocal made
        changed, made = with_token(accounts, name)
        return changed

    change_accounts(file, change)
    typer.echo(made)


@app.command(epilog="Example: sigmoidf1 auth remove-token accounts.json prometheus")
def remove_token(file: File, name: Token) -> None:
    """Remove a token; it opens nothing from the next request on."""
    _change(file, name, "tokens")
    typer.echo(f"The token {name} opens nothing any more.")


@app.command("list", epilog="Example: sigmoidf1 auth list accounts.json")
def list_accounts(file: File, json: options.Json = False) -> None:
    """List the users and tokens of a file, without their secrets."""
    from dashboards.auth.account_file import read_accounts

    accounts = read_accounts(file)
    if json:
        print_json({"users": sorted(accounts.users), "tokens": sorted(accounts.tokens)})
        return
    rows = [["user", name] for name in sorted(accounts.users)]
    rows += [["token", name] for name in sorted(accounts.tokens)]
    print_table(["kind", "name"], rows)


def _set_password(file: Path, name: str, *, exists: bool) -> None:
    from dashboards.auth.account_file import change_accounts, check_account, with_user

    check_account(file, name, exists=exists)  # before the password is typed
    password = _ask(name)
    change_accounts(file, lambda accounts: with_user(accounts, name, password, exists=exists))


def _ask(name: str) -> str:
    if sys.stdin.isatty():
        asked: str = typer.prompt(
            f"Password of {name}", hide_input=True, confirmation_prompt="The same again", err=True
        )
        return asked
    return sys.stdin.readline().rstrip("\r\n")


def _change(file: Path, name: str, kind: str) -> None:
    from dashboards.auth.account_file import change_accounts, without

    change_accounts(file, lambda accounts: without(accounts, kind, name))
