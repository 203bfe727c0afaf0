"""`sigmoidf1 datasets list` and `show`: what they print, and what they answer to bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SIGMOIDF1 = Path(sys.executable).with_name("sigmoidf1")


def sigmoidf1(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(SIGMOIDF1), "datasets", *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "films.csv"
    lines = ["text,labels"]
    lines += [f"film {n},{'[odd] name|b' if n % 3 else 'b'}" for n in range(40)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_list_names_every_dataset_and_what_it_needs():
    done = sigmoidf1("list", "--json")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert {"voc2007", "coco2014", "arxiv2020", "movie_posters", "cancer_hallmarks"} <= set(rows)
    assert "VOCdevkit" in rows["voc2007"]["get"]
    assert "with data.root" in sigmoidf1("list").stdout


def test_show_prints_statistics(table):
    done = sigmoidf1("show", "csv", "--root", table.parent, "--set", "path=films.csv")
    assert done.returncode == 0, done.stderr
    assert "40 examples of 40 read, 2 classes" in done.stdout
    assert "[odd] name + b" in done.stdout
    assert "█" in done.stdout


def test_show_prints_json(table):
    done = sigmoidf1("show", "csv", "--set", f"data.path={table}", "--set", "limit=30", "--json")
    found = json.loads(done.stdout)
    assert found["n_examples"] == 30
    assert found["options"]["limit"] == 30


def test_show_skips_and_lists_bad_lines(table):
    table.write_text(table.read_text() + "one cell\n")
    options = ("show", "csv", "--set", f"path={table}")
    stopped = sigmoidf1(*options)
    assert stopped.returncode == 1
    assert stopped.stderr.count("\n") == 1
    assert f"line 42 of {table} has 1" in stopped.stderr
    skipped = sigmoidf1(*options, "--on-error", "skip")
    assert skipped.returncode == 0
    assert "1 problems were skipped:" in skipped.stdout
    assert f"line 42 of {table} has 1" in skipped.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "voc2008"), "Did you mean 'voc2007'?"),
        (("show", "voc2007"), "Download VOCtrainval_06-Nov-2007.tar"),
        (("show", "coco2014", "--set", "rot=x"), "Did you mean 'root'?"),
        (("show", "csv", "--set", "path"), "--set must be KEY=VALUE"),
    ],
)
def test_bad_input_is_one_line(arguments, words):
    done = sigmoidf1(*arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
