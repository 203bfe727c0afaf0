"""Print what an image installs, one requirement a line: pyproject.toml is the one list of them.

python docker/image_requirements.py ray          everything that trains, embeds and records
python docker/image_requirements.py dashboard    what reads: no PyTorch, no Ray
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"

# What trains and embeds. Nothing that the dashboard imports needs it, as a test shows.
TRAINING = ("ray", "timm", "torch", "transformers")
EXTRAS = {"ray": ("cluster", "demo", "postgres"), "dashboard": ("postgres", "optuna-dashboard")}


def image_requirements(image: str, pyproject: Path = PYPROJECT) -> list[str]:
    """The requirements of an image, without this project itself.

    Args:
        image: "ray" or "dashboard".
        pyproject: the project's file.
    """
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in EXTRAS[image]:
        wanted += project["optional-dependencies"][extra]
    return [each for each in wanted if image == "ray" or package_name(each) not in TRAINING]


def package_name(requirement: str) -> str:
    """The name of a requirement, without its extras and versions."""
    return re.split(r"[\[<>=~! ;]", requirement, maxsplit=1)[0]


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in EXTRAS:
        sys.exit(f"Name an image, one of {', '.join(EXTRAS)}, but got {sys.argv[1:]}.")
    print("\n".join(image_requirements(sys.argv[1])))
