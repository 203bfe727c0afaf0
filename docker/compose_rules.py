"""What must hold of the compose file and the Dockerfile, beyond the specification."""

from __future__ import annotations

import functools
import ipaddress
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from compose_file import COMPOSE_FILE, Service, one_shots, read_target

OPEN_SERVICE = "dashboard"  # the one that other machines may reach; it demands a login
# Variables that hold secrets.
SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|_KEY$")


def broken_rules(services: Mapping[str, Service]) -> Iterator[str]:
    """Every rule that a service breaks, in a line."""
    finishing = one_shots(services)
    for name, service in services.items():
        document = service.document
        limits = ((document.get("deploy") or {}).get("resources") or {}).get("limits") or {}
        if not {"cpus", "memory"} <= set(limits):
            yield f"{name}: it must have limits of cpus and memory"
        wanted = "on-failure" if name in finishing else "unless-stopped"
        if not str(document.get("restart", "")).startswith(wanted):
            yield f"{name}: it must restart {wanted}, but got {document.get('restart')}"
        if name not in finishing and service.health is None:
            yield f"{name}: it must have a health check"
        for address, port, _ in service.published:
            if name != OPEN_SERVICE and not ipaddress.ip_address(address).is_loopback:
                yield f"{name}: port {port} must be published on the loopback address alone"
        if "build" in document:
            yield from _broken_by_build(service)
        elif not re.search(r":\d+\.\d+", document["image"]):
            yield f"{name}: the image's version must be pinned, but got {document['image']}"
        yield from _told_secrets(service)
    yield from _written_secrets(COMPOSE_FILE)


def _broken_by_build(service: Service) -> Iterator[str]:
    document, name = service.document, service.name
    target = read_target(document["build"]["target"])
    if target.user.partition(":")[0] in ("", "0", "root"):
        yield f"{name}: the image must not run as root"
    if not re.search(r":\d+\.\d+\.\d+", target.base):
        yield f"{name}: the base image must be pinned, but got {target.base}"
    if document.get("cap_drop") != ["ALL"]:
        yield f"{name}: it must drop all capabilities"
    if "no-new-privileges:true" not in (document.get("security_opt") or ()):
        yield f"{name}: it must gain no privileges"


def secrets_of(service: Service) -> set[str]:
    """The values of a service's secret variables."""
    return {value for name, value in service.environment.items() if value and SECRET.search(name)}


def _told_secrets(service: Service) -> Iterator[str]:
    for secret in secrets_of(service):
        if any(secret in word for word in (*service.argv, *(service.health or ()))):
            yield f"{service.name}: a secret stands on its command line"


def _written_secrets(path: Path) -> Iterator[str]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        name, colon, value = line.strip().partition(": ")
        if colon and SECRET.search(name) and not value.startswith("${"):
            yield f"{path.name}:{number}: {name} must come from .env"


def unknown_words(service: Service, path: str) -> Iterator[str]:
    """What of a service's command its program does not know: itself, or an option.

    Args:
        service: the service.
        path: where programs are looked for, as in $PATH.
    """
    program, *rest = service.argv
    found = shutil.which(program, path=path)
    if found is None:
        yield f"{service.name}: there is no program {program}"
        return
    words = []
    for word in rest:
        if word.startswith("-"):
            break
        words.append(word)
    if any("/" in word for word in words):  # an argument, no sub-command
        words = []
    known = _help(found, tuple(words), path)
    if known is None:
        yield f"{service.name}: {' '.join([program, *words])} is no command"
        return
    for word in rest:
        option = word.partition("=")[0]
        if option.startswith("-") and not re.search(
            rf"(?<![\w-]){re.escape(option)}(?![\w-])", known
        ):
            yield f"{service.name}: {program} has no option {option}"


@functools.lru_cache
def _help(program: str, words: tuple[str, ...], path: str) -> str | None:
    """What a command says of itself; None where there is no such command."""
    done = subprocess.run(
        [program, *words, "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": path, "COLUMNS": "300", "LC_ALL": "C.UTF-8"},
    )
    return None if done.returncode else done.stdout
