"""The page of commands is what the commands say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import typer

from sweeps.cli.main import app

ROOT = Path(__file__).parents[2]


def test_the_page_of_commands_is_up_to_date():
    command = [sys.executable, str(ROOT / "docs" / "write_commands.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_group_says_what_it_is_for():
    groups = typer.main.get_command(app).commands
    assert {"sweep", "store", "export", "cache", "datasets"} <= set(groups)
    for name, group in groups.items():
        assert group.help, name


def test_every_listing_prints_json():
    for path in ("sweep list", "sweep show", "sweep status", "store info", "store check"):
        command = typer.main.get_command(app)
        for word in path.split():
            command = command.commands[word]
        assert "--json" in [option for one in command.params for option in one.opts], path
