"""The library works where nothing of the service is installed: torch and numpy are enough."""

from __future__ import annotations

import subprocess
import sys

SERVICE = (
    "ray", "optuna", "sqlalchemy", "alembic", "plotly", "dash", "pandas", "scipy", "sklearn",
    "pydantic", "yaml", "typer", "rich", "storage", "sweeps", "dashboards", "transformers", "timm",
    "numba",
)  # fmt: skip

PROGRAM = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {SERVICE!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import torch
import sigmoidf1
for name in sigmoidf1.__all__:
    getattr(sigmoidf1, name)
x = torch.randn(60, 6)
y = (x[:, :2] > 0).float()
configs = [sigmoidf1.HeadConfig(loss=name) for name in sigmoidf1.loss_names()]
for precision in ("float32", "bf16"):
    settings = sigmoidf1.TrainingSettings(epochs=2, precision=precision)
    print(sigmoidf1.train_heads(x, y, configs, [0, 1], settings=settings).objective.shape)
"""


def test_it_trains_without_the_packages_of_the_service():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines() == ["(16, 2)"] * 2


def test_importing_it_loads_no_torch():
    program = "import sys, sigmoidf1; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
