"""What the images install: of one list, the dashboard's without PyTorch and Ray."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from image_requirements import PYPROJECT, TRAINING, image_requirements, package_name

CONSTRAINTS = PYPROJECT.with_name("constraints.txt")


def test_the_ray_image_installs_every_dependency() -> None:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    assert set(project["dependencies"]) <= set(image_requirements("ray"))


def test_the_dashboard_image_leaves_out_what_trains_and_nothing_else() -> None:
    everything = {package_name(each) for each in image_requirements("ray")}
    dashboard = {package_name(each) for each in image_requirements("dashboard")}
    assert set(TRAINING) <= everything
    assert not set(TRAINING) & dashboard
    assert {"dash", "sqlalchemy", "psycopg", "prometheus-client", "optuna-dashboard"} <= dashboard


@pytest.mark.parametrize("image", ["ray", "dashboard"])
def test_every_requirement_is_pinned(image: str) -> None:
    pinned = {
        re.sub(r"[-_.]+", "-", line.split("==")[0]).lower()
        for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    wanted = {package_name(each).replace("_", "-").lower() for each in image_requirements(image)}
    assert wanted <= pinned


def test_the_dockerfile_copies_only_what_the_build_is_sent() -> None:
    root = PYPROJECT.parent
    sent = {
        line[1:]
        for line in Path(root / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    copied = set()
    for line in Path(root / "Dockerfile").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[:1] == ["COPY"] and not any(word.startswith("--from") for word in words):
            copied |= {word for word in words[1:-1] if not word.startswith("--")}
    assert copied == sent
    assert all((root / name).exists() for name in sent)
