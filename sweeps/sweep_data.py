"""From a plan to its features, and from both to what the store and the packs need."""

from __future__ import annotations

import platform
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from sigmoidf1.encoders.backends import EmbeddingBackend
from sigmoidf1.evaluation import baselines
from sigmoidf1.features import Features, load_features
from sigmoidf1.metrics import METRICS
from sigmoidf1.thresholds import default_thresholds
from sigmoidf1.training.memory import predict_memory
from sigmoidf1.training.products import product_backend
from sigmoidf1.training.settings import Objective
from sigmoidf1.training.tiles import tile_slots
from sigmoidf1.version import __version__
from storage.records import SweepRecord
from sweeps.canonical import canonical_json
from sweeps.pack_training import PackData, training_settings
from sweeps.packs import PackLimits, shared_settings
from sweeps.plan import Plan

_VERSIONS = ("torch", "transformers", "timm", "ray", "optuna", "numpy", "sqlalchemy")


def load_sweep_features(
    plan: Plan,
    *,
    cache_dir: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    backend: EmbeddingBackend | None = None,
) -> Features:
    """The embeddings, targets and splits that a plan's sweep trains on, from the cache or new."""
    return load_features(
        plan.spec["data"],
        plan.spec["encoder"],
        cache_dir=cache_dir,
        progress=progress,
        backend=backend,
    )


def sweep_record(plan: Plan, features: Features) -> SweepRecord:
    """Everything the store keeps of a sweep, apart from its cells and their results."""
    objective = plan.spec["objective"]
    return SweepRecord(
        name=plan.sweep,
        spec=plan.spec,
        spec_hash=plan.spec_hash,
        identity={**plan.identity, "features": features.fingerprint},
        dataset=features.dataset,
        encoder=features.encoder,
        dataset_fingerprint=features.dataset_fingerprint,
        features_info=features.info,
        objective=objective,
        metrics=[
            {
                "name": metric.name,
                "higher_is_better": metric.higher_is_better,
                "thresholded": metric.thresholded,
                "curve": metric.curve,
            }
            for metric in METRICS.values()
        ],
        thresholds=[float(t) for t in default_thresholds(objective["threshold"])],
        baselines=_baselines(features),
        provenance={
            "code_version": __version__,
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
            "products": product_backend(torch.device("cpu")),
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "features_fingerprint": features.fingerprint,
            "packages": {name: version(name) for name in _VERSIONS},
        },
    )


def pack_data(features: Features, plan: Plan, device: str) -> PackData:
    """What every pack is trained on, as arrays that Ray can share."""
    objective = plan.spec["objective"]
    return PackData(
        embeddings=features.embeddings.numpy(),
        targets=features.targets.numpy(),
        splits={name: rows.numpy() for name, rows in features.split.items()},
        views=None if features.views is None else features.views.numpy(),
        objective=Objective(**objective),
        thresholds=[float(t) for t in default_thresholds(objective["threshold"])],
        device=device,
    )


def pack_limits(
    features: Features, plan: Plan, *, device: str, workers: int, memory_bytes: int
) -> PackLimits:
    """How large packs on these features may be, each in ``memory_bytes``."""
    num_classes = features.targets.shape[1]
    place = torch.device(device)
    cells = {canonical_json([cell.training, cell.head]): cell for cell in plan.cells}
    settings = [training_settings(shared_settings(cell), cell.head) for cell in cells.values()]
    widest = [one.widest_layer(num_classes) for one in settings]
    predictions = [
        predict_memory(
            one,
            split_sizes={name: len(rows) for name, rows in features.split.items()},
            dim=features.embeddings.shape[1],
            num_classes=num_classes,
            num_thresholds=len(default_thresholds(plan.spec["objective"]["threshold"])),
            device=place,
        )
        for one in settings
    ]
    return PackLimits(
        tile_heads=min(tile_slots(columns, place) for columns in widest),
        workers=workers,
        max_heads=min(prediction.max_heads(memory_bytes) for prediction in predictions),
    )


def _baselines(features: Features) -> dict[str, dict[str, Any]]:
    by_split = {
        split: baselines(features.targets[rows])
        for split, rows in features.split.items()
        if split != "train"
    }
    return {
        name: {split: values[name] for split, values in by_split.items()}
        for name in ("predict_all", "predict_none")
    }
