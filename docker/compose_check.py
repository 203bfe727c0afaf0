"""Try docker-compose.yml without Docker: validate it, then run its services on this machine.

The compose specification's own program resolves the file. Each service's command, environment and
health check are taken from what it says and run by hand, with container names, ports and folders
turned into local ones and nothing else changed: a real PostgreSQL with passwords, the roles, the
migration, a Ray head and a worker with a token, the dashboard, Optuna's dashboard. Then the
commands of the README run a small sweep through them, and the dashboard is asked for its map.
One line a check; the exit status is 1 if one failed.

    python docker/compose_check.py            everything, a minute or two
    python docker/compose_check.py --static   the files alone, some seconds
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import local_postgres
from compose_file import (
    FINISHED,
    ROOT,
    ComposeError,
    Service,
    compose_version,
    one_shots,
    read_services,
    start_order,
)
from compose_rules import broken_rules, secrets_of, unknown_words
from local_places import LocalPlaces
from local_processes import LocalProcess
from service_checks import check_services, run_sweep

# Needs a GPU and the NVIDIA container toolkit; its command is the other workers'.
LEFT_OUT = {"ray-worker-gpu": "needs an NVIDIA GPU; the command is ray-worker's"}
_LIMIT_S = 300.0  # until a service is healthy or finished, on a machine that is busy


class Report:
    """The lines, and whether all is well."""

    def __init__(self) -> None:
        self.failed = 0

    def line(self, what: str, verdict: str, text: str) -> None:
        """Print one line."""
        self.failed += verdict == "FAIL"
        print(f"{what:<26} {verdict:<5} {text}", flush=True)

    def check(self, what: str, work: Callable[[], str]) -> bool:
        """Do what a line is about; returns whether it passed."""
        try:
            self.line(what, "pass", work())
        except ComposeError as error:
            self.line(what, "FAIL", str(error))
            return False
        return True


def main() -> int:
    """Check; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--static", action="store_true", help="check the files alone")
    parser.add_argument("--logs", type=Path, help="keep the services' output in this folder")
    given = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="compose-") as folder:
        root = Path(folder)
        # The database's server is another user and has to pass through.
        root.chmod(0o711)
        services: dict[str, Service] = {}
        if not report.check("docker-compose.yml", lambda: _read(root, services)):
            return 1
        report.check("rules", lambda: _no_broken_rule(services))
        path = program_path()
        for service in services.values():
            report.check(f"{service.name}: command", partial(_known, service, path))
        if not given.static and not report.failed:
            _run(report, services, root, path)
            if given.logs:
                shutil.copytree(root / "logs", given.logs, dirs_exist_ok=True)
    print(f"{report.failed} failed" if report.failed else "all passed")
    return int(report.failed > 0)


def program_path() -> str:
    """Where the services' programs are here: this environment, the database's package, the rest."""
    own = (Path(sys.executable).parent, local_postgres.binaries())
    return os.pathsep.join([*map(str, own), os.defpath])


def _read(root: Path, services: dict[str, Service]) -> str:
    env_file = root / ".env"
    _done(["sh", str(ROOT / "docker" / "make_env.sh"), str(env_file)])
    services |= read_services(env_file)
    return f"valid, says docker-compose {compose_version()}: {len(services)} services"


def _no_broken_rule(services: Mapping[str, Service]) -> str:
    broken = list(broken_rules(services))
    if broken:
        raise ComposeError("; ".join(broken))
    return "limits, restarts, health checks, published ports, users, capabilities, secrets"


def _known(service: Service, path: str) -> str:
    unknown = list(unknown_words(service, path))
    if unknown:
        raise ComposeError("; ".join(unknown))
    return " ".join(service.argv)


def _run(report: Report, services: dict[str, Service], root: Path, path: str) -> None:
    for name, reason in LEFT_OUT.items():
        report.line(name, "–", f"not run here: {reason}")
    here = {name: each for name, each in services.items() if name not in LEFT_OUT}
    places = LocalPlaces(here, root)
    (root / "logs").mkdir()
    with ExitStack() as stack:
        running: dict[str, LocalProcess] = {}
        for name in start_order(here):
            needed = [other for other in here[name].depends_on if other not in running]
            if needed:
                report.line(name, "FAIL", f"not started: {', '.join(needed)} failed")
                continue
            process = stack.enter_context(_started(here[name], places, root, path))
            bring_up = partial(_brought_up, process, here[name], here, places, path)
            if report.check(name, bring_up):
                running[name] = process
        if report.failed:
            return
        sweep = run_sweep(here, places, path)
        report.check("sweep run", sweep.run)
        check_services(report.check, here, places, path, sweep)
        secrets = set().union(*(secrets_of(each) for each in here.values()))
        report.check("process list", lambda: _no_secret(running, secrets))


@contextmanager
def _started(
    service: Service, places: LocalPlaces, root: Path, path: str
) -> Iterator[LocalProcess]:
    command, user = places.argv(service), None
    if service.name == "postgres":
        local_postgres.initialise(service, places)
        command, user = local_postgres.argv(service, places), local_postgres.server_user()
    log = root / "logs" / f"{service.name}.log"
    process = LocalProcess(service.name, command, places.environment(service, path), log, user)
    try:
        yield process
    finally:
        process.stop()


def _brought_up(
    process: LocalProcess,
    service: Service,
    services: Mapping[str, Service],
    places: LocalPlaces,
    path: str,
) -> str:
    began = time.monotonic()
    if service.name in one_shots(services):
        process.wait(_LIMIT_S)
        return f"finished with status 0 after {time.monotonic() - began:.1f} s"
    process.wait_healthy(places.health(service), places.environment(service, path), _LIMIT_S)
    after = ", ".join(
        f"{other} {'finished' if condition == FINISHED else 'healthy'}"
        for other, condition in service.depends_on.items()
    )
    took = f"healthy after {time.monotonic() - began:.1f} s"
    return f"{took}, once {after}" if after else took


def _no_secret(running: Mapping[str, LocalProcess], secrets: set[str]) -> str:
    count = 0
    for name, process in running.items():
        lines = process.command_lines()
        count += len(lines)
        if any(secret in line for line in lines for secret in secrets):
            raise ComposeError(f"{name}: a secret stands on a command line")
    return f"{len(secrets)} secrets, on none of {count} command lines"


def _done(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ComposeError(" ".join((done.stderr or done.stdout).split()))


if __name__ == "__main__":
    sys.exit(main())
