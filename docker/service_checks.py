"""What people do with the running services: a sweep, its status, the dashboard, Optuna's view."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from compose_file import ROOT, ComposeError, Service
from local_places import LOOPBACK, LocalPlaces

SPEC = ROOT / "examples" / "movie-genres.yaml"
NAME = "compose-check"
# The example, made small: 2 × 2 cells of sigmoidF1 and one of BCE, of two seeds each.
SMALL = {
    "sweep": NAME,
    "data.limit": "300",
    "training.epochs": "3",
    "seeds": "2",
    "losses": "{sigmoid_f1: {beta: [1, 10], eta: [0, 1]}, bce: {}}",
}
REPLICATES = 10
_LIMIT_S, _POLL_S = 600.0, 2.0

Check = Callable[[str, Callable[[], str]], bool]


@dataclass(frozen=True)
class SweepRun:
    """`docker compose exec ray-head sigmoidf1 sweep run …`, by hand."""

    environment: Mapping[str, str]

    def run(self) -> str:
        """Run it; returns what was done."""
        changes = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
        arguments = ("sweep", "run", str(SPEC), "--log-format", "json", *changes)
        lines = self._call(*arguments).stderr.splitlines()
        try:
            events = [json.loads(line) for line in lines]
        except json.JSONDecodeError:
            raise ComposeError(f"every line of the log must be JSON, but got {lines}") from None
        last = events[-1] if events else {}
        trained = last.get("trained") if last.get("event") == "finished" else last
        if trained != {"complete": REPLICATES, "diverged": 0, "failed": 0}:
            raise ComposeError(f"{REPLICATES} replicates must be complete, but got {trained}")
        return (
            f"{REPLICATES} replicates trained by the worker's CPUs and recorded, in "
            f"{last['seconds']['total']:.0f} s; {len(lines)} lines of log, all JSON"
        )

    def sigmoidf1(self, *arguments: str) -> str:
        """The standard output of a command in the head's container."""
        return self._call(*arguments).stdout

    def _call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            done = subprocess.run(
                ["sigmoidf1", *arguments],
                env=dict(self.environment),
                cwd=self.environment["HOME"],
                capture_output=True,
                text=True,
                timeout=_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            what = " ".join(arguments[:2])
            raise ComposeError(f"{what} did not end within {_LIMIT_S:.0f} s") from None
        if done.returncode:
            raise ComposeError(f"status {done.returncode}: {' '.join(done.stderr.split())[-600:]}")
        return done

    def submit(self, jobs: str) -> str:
        """Hand the same sweep to Ray's job server, as a laptop does, and wait for its end."""
        laptop = {**self.environment, "RAY_ADDRESS": jobs}
        driver = SweepRun(laptop)
        name = f"{NAME}-job"
        changes = [
            word
            for key, value in {**SMALL, "sweep": name}.items()
            for word in ("--set", f"{key}={value}")
        ]
        began = time.monotonic()
        driver.sigmoidf1("sweep", "submit", str(SPEC), "--clusters-store", *changes)
        try:
            while True:
                time.sleep(_POLL_S)
                # Says nothing on standard output while the sweep is not in the store yet.
                text = driver.sigmoidf1("sweep", "status", name, "--json").strip()
                status = json.loads(text) if text else {"done": 0, "total": None}
                if status["done"] == status["total"]:
                    return f"{status['done']} replicates by a job, in {_seconds(began)}"
                if time.monotonic() - began > _LIMIT_S:
                    raise ComposeError(f"the job did not finish in {_seconds(began)}: {text}")
        except ComposeError as error:
            log = " ".join(driver.sigmoidf1("sweep", "logs", name).split())
            raise ComposeError(f"{error} The job's log: {log[-600:]}") from None


def _seconds(began: float) -> str:
    return f"{time.monotonic() - began:.0f} s"


def run_sweep(services: Mapping[str, Service], places: LocalPlaces, path: str) -> SweepRun:
    """The sweep, as somebody in the container of the Ray head runs it."""
    return SweepRun(places.environment(services["ray-head"], path))


def check_services(
    check: Check,
    services: Mapping[str, Service],
    places: LocalPlaces,
    path: str,
    sweep: SweepRun,
) -> None:
    """Ask every service for what it is there for.

    Args:
        check: does one check and prints its line.
        services: the services that run.
        places: where they run.
        path: where programs are looked for.
        sweep: the sweep that they hold.
    """
    dashboard = services["dashboard"]
    address = f"http://{LOOPBACK}:{places.port('dashboard', dashboard.published[0][2])}"
    token = dashboard.environment["SIGMOIDF1_DASHBOARD_TOKEN"]
    told = places.environment(dashboard, path)
    check("store", lambda: _stored(sweep))
    check("kept cells", lambda: _kept(places))
    check("reader's role", lambda: _reads_only(told))
    check("/healthz", lambda: _healthy(address))
    check("no token", lambda: _refused(address))
    check("/map", lambda: _map(address, token))
    check("/metrics", lambda: _metrics(address, token))
    head = services["ray-head"]
    jobs = f"http://{LOOPBACK}:{places.port('ray-head', head.published[0][2])}"
    check("Ray's dashboard", lambda: _ray(jobs, head.environment["RAY_AUTH_TOKEN"]))
    check("sweep submit", lambda: sweep.submit(jobs))
    optuna = services["optuna-dashboard"]
    port = places.port("optuna-dashboard", optuna.published[0][2])
    check("Optuna's studies", lambda: _studies(f"http://{LOOPBACK}:{port}"))


def _stored(sweep: SweepRun) -> str:
    status = json.loads(sweep.sigmoidf1("sweep", "status", NAME, "--json"))
    if status["done"] != status["total"] or status["total"] != REPLICATES:
        raise ComposeError(f"all {REPLICATES} must be done, but got {status['states']}")
    info = json.loads(sweep.sigmoidf1("store", "info", "--json"))
    return f"{info['database']}, schema {info['schema']}: {status['states']['complete']} complete"


def _kept(places: LocalPlaces) -> str:
    files = [path for path in Path(places.folder("kept")).rglob("*") if path.is_file()]
    if not files:
        raise ComposeError("the best cells' weights must lie in the volume that the dashboard sees")
    return f"{len(files)} files in the shared volume"


def _reads_only(told: Mapping[str, str]) -> str:
    url = sa.make_url(told["SIGMOIDF1_STORE"]).set(
        drivername="postgresql+psycopg", password=told["PGPASSWORD"]
    )
    engine = sa.create_engine(url, hide_parameters=True)
    refused = 0
    statements = (
        "UPDATE sweep_sweeps SET name = 'x'",
        "SET default_transaction_read_only = off; DELETE FROM sweep_packs",
        "SET default_transaction_read_only = off; COMMIT; CREATE TABLE public.more (x int)",
    )
    for statement in statements:
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql(statement)
        except sa.exc.DBAPIError:
            refused += 1
    with engine.connect() as connection:
        sweeps = connection.execute(sa.text("SELECT count(*) FROM sweep_sweeps")).scalar_one()
    engine.dispose()
    if refused != len(statements):
        raise ComposeError(f"{len(statements)} changes must be refused, but {refused} were")
    return f"sees {sweeps} sweep, may change nothing"


def _healthy(address: str) -> str:
    status, text = _get(f"{address}/healthz")
    if status != 200:
        raise ComposeError(f"must be 200, but got {status}: {text[:200]}")
    return text


def _refused(address: str) -> str:
    answers = {path: _get(f"{address}{path}")[0] for path in ("/map", "/metrics", "/api/v1/sweeps")}
    if not set(answers.values()) <= {302, 303, 401, 403}:
        raise ComposeError(f"nothing may be shown, but got {answers}")
    return ", ".join(f"{path} {status}" for path, status in answers.items())


def _map(address: str, token: str) -> str:
    status, text = _get(f"{address}/map?sweep={NAME}", token)
    figure = f"{address}/api/v1/sweeps/{NAME}/figures/map?loss=sigmoid_f1"
    figure_status, rows = _get(figure, token)
    if (status, figure_status) != (200, 200):
        raise ComposeError(f"must be 200, but got {status} and {figure_status}: {rows[:200]}")
    shown = json.loads(rows)
    if shown["sweep"] != NAME or not shown["rows"]:
        raise ComposeError(f"the map must be of {NAME}, but got {rows[:200]}")
    return f"page of {len(text)} bytes; map of {shown['sweep']} with {len(shown['rows'])} rows"


def _metrics(address: str, token: str) -> str:
    status, text = _get(f"{address}/metrics", token)
    wanted = f'sigmoidf1_replicates{{state="complete",sweep="{NAME}"}} {float(REPLICATES)}'
    found = next((line for line in text.splitlines() if "complete" in line and NAME in line), "")
    if status != 200 or found != wanted:
        raise ComposeError(f"must say {wanted}, but got {status}: {found or text[:200]}")
    return found


def _ray(address: str, token: str) -> str:
    refused, _ = _get(f"{address}/api/jobs/")
    status, text = _get(f"{address}/api/version", token)
    if refused != 401 or status != 200:
        raise ComposeError(f"401 without the token and 200 with it, but got {refused}, {status}")
    return f"Ray {json.loads(text)['ray_version']}; 401 without the token"


def _studies(address: str) -> str:
    status, text = _get(f"{address}/api/studies")
    names = {each["study_name"] for each in json.loads(text)["study_summaries"]}
    wanted = {f"{NAME}/movie_genres/{loss}" for loss in ("bce", "sigmoid_f1")}
    if status != 200 or not wanted <= names:
        raise ComposeError(f"must list {sorted(wanted)}, but got {status}: {sorted(names)}")
    return ", ".join(sorted(wanted))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        return


def _get(url: str, token: str | None = None) -> tuple[int, str]:
    asked = urllib.request.Request(url)  # noqa: S310 - our own address
    if token is not None:
        asked.add_header("Authorization", f"Bearer {token}")
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(asked, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        raise ComposeError(f"{url} does not answer: {error}") from None
