"""From a plan to its features, and from both to what the store and the packs need."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from sigmoidf1.encoders.backends import EmbeddingBackend
from sigmoidf1.evaluation import baselines
from sigmoidf1.features import Features, load_features
from sigmoidf1.metrics import METRICS
from sigmoidf1.thresholds import SAME_THRESHOLD, default_thresholds
from sigmoidf1.training.memory import predict_memory
from sigmoidf1.training.products import product_backend
from sigmoidf1.training.settings import Objective, TrainingSettings
from sigmoidf1.training.tiles import tile_slots
from sigmoidf1.version import __version__
from storage.records import CellRecord, SweepRecord
from sweeps.machine import describe_machine
from sweeps.pack_training import PackData, training_settings
from sweeps.packs import PackLimits, group_key, shared_settings
from sweeps.plan import Plan

_VERSIONS = ("torch", "transformers", "timm", "ray", "optuna", "numpy", "numba", "sqlalchemy")
_EXAMPLES_A_STEP = 24  # a step of the optimiser takes as long as training on so many examples


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
        thresholds=kept_thresholds(plan),
        baselines=_baselines(features),
        provenance={
            "code_version": __version__,
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
            "products": product_backend(torch.device("cpu")),
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "features_fingerprint": features.fingerprint,
            "embeddings_sha256": embeddings_sha256(features),
            "embedding_s": features.embed_duration_s,
            "machine": describe_machine(),
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
        thresholds=kept_thresholds(plan),
        device=device,
        halving=plan.spec.get("halving"),
        maximize=METRICS[objective["metric"]].higher_is_better,
    )


def kept_thresholds(plan: Plan) -> list[float]:
    """Where scores are kept: the usual thresholds, the objective's, and those of other objectives.

    Example:
        >>> from sweeps.spec import parse_spec
        >>> from sweeps.plan import make_plan
        >>> spec = {"sweep": "try", "data": {"dataset": "features", "path": "x.npz"}, "seeds": 1,
        ...         "losses": {"bce": {}}}
        >>> len(kept_thresholds(make_plan(parse_spec(spec))))
        100
    """
    kept = [float(t) for t in default_thresholds(plan.spec["objective"]["threshold"])]
    for objective in plan.spec.get("sampler", {}).get("objectives", ()):
        threshold = float(objective["threshold"])
        if all(abs(threshold - other) > SAME_THRESHOLD for other in kept):
            kept.append(threshold)
    return sorted(kept)


def pack_limits(
    features: Features,
    plan: Plan,
    cells: Sequence[CellRecord],
    *,
    device: str,
    memory_bytes: int,
) -> PackLimits:
    """How large packs of some cells on these features may be, each in ``memory_bytes``."""
    num_classes = features.targets.shape[1]
    place = torch.device(device)
    halving = plan.spec.get("halving")
    alike = {group_key(cell): cell for cell in cells}
    settings = [training_settings(shared_settings(cell), cell.head) for cell in alike.values()]
    dim = features.embeddings.shape[1]
    n_train = len(features.split["train"])
    predictions = [
        predict_memory(
            one,
            split_sizes={name: len(rows) for name, rows in features.split.items()},
            dim=dim,
            num_classes=num_classes,
            num_thresholds=len(kept_thresholds(plan)),
            device=place,
            rungs=halving is not None,
            num_views=1 if features.views is None else len(features.views),
        )
        for one in settings
    ]
    return PackLimits(
        tile_heads=min(
            tile_slots(one, dim=dim, num_classes=num_classes, device=place) for one in settings
        ),
        max_heads=min(prediction.max_heads(memory_bytes) for prediction in predictions),
        work={
            key: _head_work(one, n_train=n_train, dim=dim, num_classes=num_classes)
            for key, one in zip(alike, settings, strict=True)
        },
        divisible=place.type != "cpu",
        bracket=None if halving is None else halving["bracket"],
        n_seeds=len(plan.seeds),
    )


def _head_work(settings: TrainingSettings, *, n_train: int, dim: int, num_classes: int) -> float:
    """What training one head takes, in millions of weights times examples."""
    steps = -(-n_train // settings.batch_size)
    examples = n_train + _EXAMPLES_A_STEP * steps
    return settings.epochs * settings.num_weights(dim, num_classes) * examples / 1e6


def embeddings_sha256(features: Features) -> str:
    """The SHA-256 (hex) of the embeddings' bits.

    The fingerprint is of what they were made from; made again, they may be rounded otherwise.
    """
    return hashlib.sha256(features.embeddings.numpy().data).hexdigest()


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
