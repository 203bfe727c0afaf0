"""Where a container's names, ports and folders are when its command runs on this machine."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from compose_file import Service

LOOPBACK = "127.0.0.1"
# What `ray start` is told besides, so that two nodes share one machine: its loopback address, not
# the machine's own; a folder with a short name, because sockets lie in it; little shared memory.
_RAY_NODE = (f"--node-ip-address={LOOPBACK}", "--object-store-memory=200000000")


class LocalPlaces:
    """One loopback port for each port of each service, one folder for each volume.

    Args:
        services: all that will run.
        root: an empty folder with a short path.
    """

    def __init__(self, services: Mapping[str, Service], root: Path) -> None:
        self._root = root
        wanted = [(name, port) for name, service in services.items() for port in service.ports]
        # One more for Ray's clients, who have a port that the file need not name.
        free = free_ports(len(wanted) + 1)
        self._ports = dict(zip(wanted, free, strict=False))
        self._client_port = free[-1]

    def port(self, service: str, port: int) -> int:
        """The local port for a service's port."""
        return self._ports[service, port]

    def folder(self, source: str) -> Path:
        """The local folder of a volume, or the file or folder that is mounted."""
        path = Path(source)
        if not path.is_absolute():
            path = self._root / "volumes" / source
            path.mkdir(parents=True, exist_ok=True)
        return path

    def home(self, service: str) -> Path:
        """An empty home folder of a service."""
        path = self._root / "home" / service
        path.mkdir(parents=True, exist_ok=True)
        return path

    def text(self, service: Service, text: str) -> str:
        """A word of a command or a variable, as it must be on this machine."""
        for (name, port), local in self._ports.items():
            text = re.sub(rf"(?<![\w-]){name}:{port}(?!\d)", f"{LOOPBACK}:{local}", text)
        for port in service.ports:
            local = self._ports[service.name, port]
            text = re.sub(rf"(?<![\w.]){port}(?!\w)", str(local), text)
        for target, source in service.folders.items():
            text = re.sub(rf"{re.escape(target)}(?![\w-])", str(self.folder(source)), text)
        return text

    def argv(self, service: Service) -> list[str]:
        """A service's command on this machine."""
        words = [self.text(service, word) for word in service.argv]
        if words[:2] == ["ray", "start"]:
            # A folder for each node: one that two nodes share, each of them tidies up.
            words += [*_RAY_NODE, f"--temp-dir={self._root / service.name}"]
            if "--head" in words:
                words.append(f"--ray-client-server-port={self._client_port}")
        return words

    def health(self, service: Service) -> list[str]:
        """A service's health check on this machine."""
        return [self.text(service, word) for word in service.health or ()]

    def environment(self, service: Service, path: str) -> dict[str, str]:
        """All that a service's process is told: nothing of this process's own variables."""
        told = {name: self.text(service, value) for name, value in service.environment.items()}
        return {**told, "PATH": path, "HOME": str(self.home(service.name)), "LC_ALL": "C.UTF-8"}


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that are free now, each once."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return [one.getsockname()[1] for one in sockets]
