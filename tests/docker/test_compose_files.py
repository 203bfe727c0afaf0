"""docker-compose.yml and the Dockerfile: valid, by the rules, and every command known."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import local_postgres
import pytest
import yaml
from compose_file import (
    COMPOSE_FILE,
    ROOT,
    ComposeError,
    Service,
    one_shots,
    read_services,
    read_target,
    start_order,
)
from compose_rules import broken_rules, secrets_of, unknown_words
from local_places import LocalPlaces

SECRETS = ("POSTGRES_PASSWORD", "STORE_PASSWORD", "RAY_AUTH_TOKEN", "SIGMOIDF1_DASHBOARD_TOKEN")
PATH = os.pathsep.join(
    [str(Path(sys.executable).parent), str(local_postgres.binaries()), os.defpath]
)


@pytest.fixture(scope="module")
def env_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compose") / ".env"
    subprocess.run(["sh", str(ROOT / "docker" / "make_env.sh"), str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def services(env_file: Path) -> dict[str, Service]:
    return read_services(env_file)


def test_the_file_is_valid_and_names_every_service(services: dict[str, Service]) -> None:
    assert set(services) == {
        *("postgres", "roles", "migrate", "dashboard", "optuna-dashboard"),
        *("ray-head", "ray-worker", "ray-worker-gpu"),
    }
    assert one_shots(services) == {"roles", "migrate"}
    order = start_order(services)
    assert order.index("postgres") < order.index("roles") < order.index("migrate")
    assert order.index("migrate") < order.index("ray-head") < order.index("ray-worker")


def test_every_rule_holds(services: dict[str, Service]) -> None:
    assert list(broken_rules(services)) == []


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("postgres", {"published": (("0.0.0.0", 5432, 5432),)}, "on the loopback address alone"),
        ("dashboard", {"health": None}, "a health check"),
        ("migrate", {"document": {"restart": "always"}}, "restart on-failure"),
        ("ray-head", {"document": {"restart": "unless-stopped"}}, "limits of cpus and memory"),
        ("postgres", {"document": {"image": "postgres:latest"}}, "must be pinned"),
    ],
)
def test_a_broken_rule_is_said(
    services: dict[str, Service], name: str, change: dict, said: str
) -> None:
    if "document" in change:
        document = {k: v for k, v in services[name].document.items() if k not in ("deploy",)}
        change = {"document": {**document, **change["document"]}}
    changed = {**services, name: replace(services[name], **change)}
    assert any(said in line and line.startswith(name) for line in broken_rules(changed))


def test_a_secret_on_a_command_line_is_found(services: dict[str, Service]) -> None:
    dashboard = services["dashboard"]
    secret = dashboard.environment["SIGMOIDF1_DASHBOARD_TOKEN"]
    told = replace(dashboard, argv=(*dashboard.argv, f"--token={secret}"))
    assert "dashboard: a secret stands on its command line" in list(
        broken_rules({**services, "dashboard": told})
    )


def test_secrets_are_new_private_and_never_overwritten(env_file: Path) -> None:
    text = env_file.read_text(encoding="utf-8")
    assert "change-me" not in text.replace('"change-me"', "")
    values = dict(line.split("=", 1) for line in text.splitlines() if line[:1].isalpha())
    assert len({values[name] for name in SECRETS}) == len(SECRETS)
    assert all(len(values[name]) == 48 for name in SECRETS)
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    subprocess.run(["sh", str(ROOT / "docker" / "make_env.sh"), str(env_file)], check=True)
    assert env_file.read_text(encoding="utf-8") == text


def test_a_missing_secret_says_how_to_make_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=x\n", encoding="utf-8")
    with pytest.raises(ComposeError, match=r"sh docker/make_env\.sh"):
        read_services(tmp_path / ".env")


def test_the_specification_is_really_asked(env_file: Path, tmp_path: Path) -> None:
    document = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))
    document["services"]["dashboard"]["helthcheck"] = {}
    bad = tmp_path / "docker-compose.yml"
    bad.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(ComposeError, match="helthcheck"):
        read_services(env_file, bad)


def test_only_who_records_knows_the_writers_password(services: dict[str, Service]) -> None:
    writer = "//sigmoidf1@"
    writers = {
        name for name, s in services.items() if writer in s.environment.get("SIGMOIDF1_STORE", "")
    }
    assert writers == {"migrate", "ray-head"}
    password = services["ray-head"].environment["PGPASSWORD"]
    knowing = {name for name, s in services.items() if password in secrets_of(s)}
    assert knowing == {"migrate", "ray-head", "roles"}


@pytest.mark.parametrize(
    "name",
    ["postgres", "roles", "migrate", "ray-head", "ray-worker", "dashboard", "optuna-dashboard"],
)
def test_a_service_runs_a_known_command(services: dict[str, Service], name: str) -> None:
    assert list(unknown_words(services[name], PATH)) == []


def test_an_unknown_command_or_option_is_found(services: dict[str, Service]) -> None:
    migrate = services["migrate"]
    wrong = replace(migrate, argv=("sigmoidf1", "store", "upgrade", "--creat"))
    assert list(unknown_words(wrong, PATH)) == ["migrate: sigmoidf1 has no option --creat"]
    gone = replace(migrate, argv=("sigmoid-f1",))
    assert list(unknown_words(gone, PATH)) == ["migrate: there is no program sigmoid-f1"]


def test_names_ports_and_folders_become_local_and_nothing_else(
    services: dict[str, Service], tmp_path: Path
) -> None:
    places = LocalPlaces(services, tmp_path)
    dashboard, head = services["dashboard"], services["ray-head"]
    port = places.port("dashboard", 8050)
    assert places.argv(dashboard) == [
        *("sigmoidf1", "dashboard", "--host", "0.0.0.0", "--port", str(port))
    ]
    assert f"127.0.0.1:{port}/healthz" in " ".join(places.health(dashboard))
    told = places.environment(dashboard, PATH)
    database = places.port("postgres", 5432)
    assert told["SIGMOIDF1_STORE"] == (
        f"postgresql://sigmoidf1_reader@127.0.0.1:{database}/sigmoidf1"
    )
    assert told["SIGMOIDF1_KEPT"] == places.environment(head, PATH)["SIGMOIDF1_KEPT"]
    assert told["SIGMOIDF1_KEPT"] == str(tmp_path / "volumes" / "kept")
    worker = places.argv(services["ray-worker"])
    assert f"--address=127.0.0.1:{places.port('ray-head', 6379)}" in worker
    assert "--num-cpus=2" in worker
    assert len({places.port(n, p) for n, s in services.items() for p in s.ports}) == sum(
        len(s.ports) for s in services.values()
    )


def test_the_guides_commands_are_for_services_and_programs_that_are_there(
    services: dict[str, Service],
) -> None:
    pages = (ROOT / "README.md", ROOT / "docs" / "deployment.md")
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    found = re.findall(r"docker compose exec (?:-T )?(\S+) (\S+)", text)
    assert ("ray-head", "sigmoidf1") in found
    for name, program in found:
        assert name in services
        assert shutil.which(program, path=PATH)
    for profile in re.findall(r"profile `(\w+)`", text):
        assert any(profile in s.document.get("profiles", ()) for s in services.values())
    known = (ROOT / ".env.example").read_text(encoding="utf-8")
    for variable in re.findall(r"`([A-Z_]+)=[^`]*` in `\.env`", text):
        assert f"{variable}=" in known


@pytest.mark.parametrize("target", ["cpu", "cuda", "dashboard"])
def test_an_image_target_runs_as_a_user_on_a_pinned_base(target: str) -> None:
    found = read_target(target)
    assert found.user == "1000:1000"
    assert found.base.count(".") == 2
    assert found.entrypoint == ("sigmoidf1",)


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(ComposeError, match="but a service wants gpu"):
        read_target("gpu")
