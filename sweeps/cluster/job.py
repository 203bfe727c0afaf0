"""The driver of a submitted sweep, as the cluster's job server starts it.

``python -m sweeps.cluster.job ARGUMENTS`` is ``sigmoidf1 sweep run ARGUMENTS`` with the store's URL
from what the job was submitted with, or from the environment of the cluster's machines.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from sigmoidf1.data_root import add_data_root
from sweeps.cluster.package import STORE_FILE, STORE_MODULE
from sweeps.cluster.shipping import JOB_VARIABLE

_STORE_VARIABLE = "SIGMOIDF1_STORE"


def main() -> None:
    """Run the sweep; ends with the status of ``sweep run``."""
    for folder in sys.path:
        file = Path(folder, STORE_MODULE, STORE_FILE)
        if file.is_file():
            os.environ[_STORE_VARIABLE] = file.read_text(encoding="utf-8")
            _keep_from_workers()
            break
    add_data_root(Path.cwd())  # what was sent along is the sender's own
    from sweeps.cli.main import main as run

    sys.argv = ["sigmoidf1", "sweep", "run", *sys.argv[1:]]
    run()


def _keep_from_workers() -> None:
    """Leave the store's URL out of what Ray gives to the workers: the driver alone writes."""
    config = json.loads(os.environ.get(JOB_VARIABLE, "{}"))
    config.get("runtime_env", {}).pop("py_modules", None)
    os.environ[JOB_VARIABLE] = json.dumps(config)


if __name__ == "__main__":
    main()
