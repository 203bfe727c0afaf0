"""A small sweep on made-up features, small enough to train in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml


@pytest.fixture(scope="session")
def features_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features with four learnable classes, splits given by column."""
    generator = np.random.default_rng(0)
    embeddings = generator.normal(size=(240, 12)).astype(np.float32)
    targets = (embeddings[:, :4] + 0.2 * generator.normal(size=(240, 4)) > 0.9).astype(np.uint8)
    split = np.array(["train"] * 140 + ["validation"] * 50 + ["test"] * 50)
    path = tmp_path_factory.mktemp("features") / "features.npz"
    np.savez(path, X=embeddings, Y=targets, split=split, labels=np.array(list("abcd")))
    return path


@pytest.fixture
def make_spec(tmp_path: Path, features_file: Path) -> Any:
    """Write a spec file; keyword arguments replace its top-level keys."""

    def make(name: str = "small", **changes: Any) -> Path:
        spec = {
            "sweep": name,
            "data": {"dataset": "features", "path": str(features_file)},
            "training": {"epochs": 4, "batch_size": 32, "lr": 0.01},
            "seeds": 2,
            "losses": {
                "sigmoid_f1": {"beta": [-5, 1, 10], "eta": [0, 1]},
                "bce": {},
                "unbounded_f1": {},
            },
            **changes,
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(spec), encoding="utf-8")
        return path

    return make
