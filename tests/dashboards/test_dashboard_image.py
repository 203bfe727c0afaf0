"""The dashboard where PyTorch and Ray are not installed, as in its image."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from image_requirements import TRAINING

from dashboards.takeaway.catalogue import figure_kinds

WITHOUT = f"""
import sys
class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        package = name.partition(".")[0]
        if package in {TRAINING!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=package)
sys.meta_path.insert(0, Absent)
from sweeps.cli.main import main
main()
"""


def sigmoidf1(*arguments: str) -> list[str]:
    return [sys.executable, "-c", WITHOUT, *arguments]


@pytest.fixture(scope="module")
def address(store_url: str) -> Iterator[str]:
    process = subprocess.Popen(
        sigmoidf1("dashboard", "--store", store_url, "--port", "0"),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        found = re.search(r"http://[\d.]+:\d+", process.stdout.readline())
        assert found is not None
        yield found[0]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_pages_metrics_and_health_are_served(address: str) -> None:
    assert json.loads(get(f"{address}/healthz")[1])["status"] == "ok"
    assert "sigmoidf1_store_up 1.0" in get(f"{address}/metrics")[1]
    assert "<html" in get(f"{address}/map?sweep=movie-genres")[1]


@pytest.mark.parametrize("kind", figure_kinds())
def test_no_figure_needs_what_is_not_there(address: str, kind: str) -> None:
    url = f"{address}/api/v1/sweeps/movie-genres/figures/{kind}?loss=sigmoid_f1"
    status, text = get(url)
    # This store keeps no cells' files, and no cell is named: some figures say so.
    assert status in (200, 404, 503)
    if status == 200:
        assert json.loads(text)["figure"] == kind
    assert not any(f"'{name}'" in text for name in TRAINING)


def test_a_command_that_trains_says_what_it_lacks(store_url: str) -> None:
    done = subprocess.run(
        sigmoidf1("sweep", "run", "examples/movie-genres.yaml", "--store", store_url),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert re.search(r"^Error: .*needs the package \w+, but it is not installed", done.stderr)


def test_results_are_read(store_url: str) -> None:
    done = subprocess.run(
        sigmoidf1("sweep", "list", "--store", store_url, "--json"), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert [row["sweep"] for row in json.loads(done.stdout)][-1] == "movie-genres"
