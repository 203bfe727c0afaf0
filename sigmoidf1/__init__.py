"""Frozen encoders, sigmoidF1 and its competitors, metrics, and packed training of many heads.

Names are imported when they are first used, so ``import sigmoidf1`` itself loads no PyTorch.
"""

from __future__ import annotations

import importlib
from typing import Any

_EXPORTS = {
    "sigmoidf1.version": ("__version__",),
    "sigmoidf1.errors": ("InputError",),
    "sigmoidf1.losses": (
        "Hyperparameter",
        "Loss",
        "asl",
        "bce",
        "bp_mll",
        "focal",
        "get_loss",
        "hinge_f1",
        "loss_names",
        "poly1_bce",
        "poly1_focal",
        "recall_at_k",
        "register_loss",
        "sigmoid_f1",
        "smooth_accuracy",
        "smooth_npv",
        "smooth_precision",
        "smooth_recall",
        "smooth_specificity",
        "soft_f1",
        "unbounded_f1",
    ),
    "sigmoidf1.losses.modules": (
        "ASL",
        "BCE",
        "BPMLL",
        "Focal",
        "HingeF1",
        "LossModule",
        "Poly1BCE",
        "Poly1Focal",
        "RecallAtK",
        "SigmoidF1",
        "SmoothAccuracy",
        "SmoothNPV",
        "SmoothPrecision",
        "SmoothRecall",
        "SmoothSpecificity",
        "SoftF1",
        "UnboundedF1",
    ),
    "sigmoidf1.metrics": (
        "METRICS",
        "Metric",
        "average_precision",
        "confusion_counts",
        "f1",
        "get_metric",
        "hamming_loss",
        "jaccard",
        "map_at_threshold",
        "map_interpolated",
        "mean_average_precision",
        "precision",
        "predicted_positive_rate",
        "recall",
        "subset_accuracy",
    ),
    "sigmoidf1.evaluation": ("Evaluation", "baselines", "evaluate"),
    "sigmoidf1.thresholds": ("default_thresholds", "logit_grid"),
    "sigmoidf1.datasets": (
        "Dataset",
        "dataset_names",
        "dataset_summary",
        "list_datasets",
        "load_dataset",
        "register_dataset",
    ),
    "sigmoidf1.features": ("Features", "load_features"),
    "sigmoidf1.exported_heads": ("ExportedHead", "load_head"),
    "sigmoidf1.training.packed": ("train_heads", "train_replicates"),
    "sigmoidf1.training.results": ("HeadResults", "predict_probabilities"),
    "sigmoidf1.training.settings": ("HeadConfig", "Objective", "TrainingSettings"),
}
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = sorted(_MODULE_OF)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
