"""Every command: its help, its listing, its bad input."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
import typer
import yaml

from sweeps.cli.main import app

SIGMOIDF1 = Path(sys.executable).with_name("sigmoidf1")


def sigmoidf1(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(SIGMOIDF1), *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


def commands() -> list[tuple[str, click.Command]]:
    found = []

    def walk(path: str, command: click.Command) -> None:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                walk(f"{path} {name}".strip(), inner)
        else:
            found.append((path, command))

    walk("", typer.main.get_command(app))
    return found


@pytest.mark.parametrize(("path", "command"), commands(), ids=[path for path, _ in commands()])
def test_every_command_has_help_with_an_example(path, command):
    assert command.help
    assert f"sigmoidf1 {path}" in (command.epilog or "")
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{path}: {parameter.name} lacks help"


def test_help_answers_at_once_without_heavy_imports():
    code = (
        "import sys; sys.argv = ['sigmoidf1', '--help']\n"
        "from sweeps.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'ray', 'optuna', 'pandas', 'sqlalchemy', 'dash'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "sweep" in done.stdout


def test_version():
    done = sigmoidf1("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("sigmoidf1 0.")


def test_the_whole_journey(tmp_path, make_spec):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    first, second = make_spec(), make_spec("other", seeds=1, losses={"bce": {}})
    run = sigmoidf1("sweep", "run", first, second, "--store", url, "--workers", 1)
    assert run.returncode == 0, run.stderr
    assert "16 replicates trained" in run.stderr
    assert "sigmoid_f1" in run.stdout

    listed = json.loads(sigmoidf1("sweep", "list", "--store", url, "--json").stdout)
    assert [(row["sweep"], row["replicates"], row["open"]) for row in listed] == [
        ("small", 16, 0),
        ("other", 1, 0),
    ]
    shown = json.loads(sigmoidf1("sweep", "show", "small", "--store", url, "--json").stdout)
    assert shown["cells"] == 8
    assert {row["loss"] for row in shown["best"]} >= {"sigmoid_f1", "bce"}
    assert "best cell" in sigmoidf1("sweep", "show", "small", "--store", url).stdout

    exported = sigmoidf1("export", "best", "--store", url, "--format", "json")
    results = json.loads(exported.stdout)["results"]
    assert {result["sweep"] for result in results} == {"small", "other"}
    out = tmp_path / "best.yaml"
    assert sigmoidf1("export", "best", "--store", url, "-o", out).returncode == 0
    assert yaml.safe_load(out.read_text())["results"]

    report = tmp_path / "report.html"
    written = sigmoidf1("report", "--store", url, "-o", report)
    assert written.returncode == 0, written.stderr
    assert "<html" in report.read_text(encoding="utf-8")[:500]

    studies = subprocess.run(
        [SIGMOIDF1.with_name("optuna"), "studies", "--storage", url, "--format", "json"],
        capture_output=True,
        text=True,
    )
    assert "small/features/sigmoid_f1" in studies.stdout


def test_dry_run_stores_nothing(tmp_path, make_spec):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    done = sigmoidf1("sweep", "run", make_spec(), "--store", url, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {row["loss"]: row["replicates"] for row in rows} == {
        "sigmoid_f1": 12,
        "bce": 2,
        "unbounded_f1": 2,
    }
    assert not (tmp_path / "store.db").exists()


def test_datasets_and_embed(make_spec):
    listed = json.loads(sigmoidf1("datasets", "list", "--json").stdout)
    assert {"movie_genres", "features"} <= {row["name"] for row in listed}
    embedded = json.loads(sigmoidf1("embed", make_spec(), "--json").stdout)
    assert (embedded["examples"], embedded["dim"], embedded["classes"]) == (240, 12, 4)


def test_dashboard_serves_and_ends(tmp_path, make_spec):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    assert sigmoidf1("sweep", "run", make_spec(), "--store", url).returncode == 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(SIGMOIDF1), "dashboard", "--store", url, "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        page = b""
        for _ in range(200):
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                    connection.sendall(b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
                    page = connection.recv(200)
                break
            except OSError:
                time.sleep(0.1)
        assert b" 200 " in page.splitlines()[0]
        second = sigmoidf1("dashboard", "--store", url, "--port", port)
        assert second.returncode == 1
        assert str(port) in second.stderr
        assert len(second.stderr.strip().splitlines()) == 1
    finally:
        process.terminate()
        process.communicate(timeout=30)


BAD_INPUT = [
    (["sweep", "run", "nowhere.yaml"], "nowhere.yaml"),
    (["sweep", "run", "SPEC", "--set", "training.epoch=3"], "epochs"),
    (["sweep", "run", "SPEC", "--set", "training.epochs=-3"], "training.epochs"),
    (["sweep", "run", "SPEC", "--set", "training.lr=.nan"], "training.lr"),
    (["sweep", "run", "SPEC", "--set", "losses.sigmoid_f1.beta=0"], "beta"),
    (["sweep", "run", "SPEC", "--set", "losses.sigmoid_f1.beta={values: []}"], "beta"),
    (["sweep", "run", "SPEC", "--set", "losses.sigmoidf1.beta=1"], "sigmoid_f1"),
    (["sweep", "run", "SPEC", "--set", "objective.split=test"], "validation"),
    (["sweep", "run", "SPEC", "--set", "data.path=nowhere.npz"], "nowhere.npz"),
    (["sweep", "run", "SPEC", "SPEC"], "different sweep names"),
    (["sweep", "run", "SPEC", "--store", "sqlite:////proc/no/store.db"], "store"),
    (["sweep", "run", "SPEC", "--store", "mysql+nodriver://u@h/db"], "mysql"),
    (["sweep", "show", "nothing", "--store", "EMPTY"], "nothing"),
    (["sweep", "list", "--store", "sqlite:////nowhere/x.db"], "nowhere"),
    (["export", "best", "--store", "EMPTY"], "sweep"),
    (["report", "-o", "x.html", "--store", "sqlite:////nowhere/x.db"], "nowhere"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD_INPUT, ids=[" ".join(a) for a, _ in BAD_INPUT])
def test_bad_input_is_one_line_and_a_status(tmp_path, make_spec, arguments, words):
    from storage.store import Store

    spec = make_spec()
    empty = f"sqlite:///{tmp_path / 'empty.db'}"
    Store.open(empty).close()
    names = {"SPEC": spec, "EMPTY": empty}
    store = [] if "--store" in arguments else ["--store", f"sqlite:///{tmp_path / 'store.db'}"]
    done = sigmoidf1(*(names.get(a, a) for a in arguments), *store)
    assert done.returncode in (1, 2), done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
    if done.returncode == 1:
        assert len(done.stderr.strip().splitlines()) == 1
    assert (
        not (tmp_path / "store.db").exists()
        or not Store.open(f"sqlite:///{tmp_path / 'store.db'}").sweep_names()
    )
