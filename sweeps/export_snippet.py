"""The lines of Python that use an exported loss in a training loop of one's own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

_MODULES = {
    "asl": "ASL",
    "bce": "BCE",
    "focal": "Focal",
    "sigmoid_f1": "SigmoidF1",
    "smooth_accuracy": "SmoothAccuracy",
    "smooth_npv": "SmoothNPV",
    "smooth_precision": "SmoothPrecision",
    "smooth_recall": "SmoothRecall",
    "smooth_specificity": "SmoothSpecificity",
    "soft_f1": "SoftF1",
    "unbounded_f1": "UnboundedF1",
}


def loss_snippet(
    loss: str,
    hyperparameters: Mapping[str, Any],
    *,
    learned: Sequence[str] = (),
    num_classes: int | None = None,
) -> str:
    """Return two lines that define ``criterion``, called as ``criterion(logits, targets)``.

    Every hyperparameter is written out, input and reduction too, so that later defaults change
    nothing.

    Args:
        loss: the loss's name; one that is not built in is looked up in the registry.
        hyperparameters: as exported.
        learned: those that are learned with the head, one a class, from the exported value.
        num_classes: C, for learned ones.

    Example:
        >>> print(loss_snippet("sigmoid_f1", {"beta": 16.0, "eta": 0.0, "input": "logits"}))
        from sigmoidf1 import SigmoidF1
        criterion = SigmoidF1(beta=16.0, eta=0.0, input="logits")
    """
    values = {
        name: _parameter(value, num_classes) if name in learned and num_classes else _python(value)
        for name, value in hyperparameters.items()
    }
    given = [f"{name}={text}" for name, text in values.items()]
    module = _MODULES.get(loss)
    if module is None:
        module, given = "LossModule", [json.dumps(loss), *given]
    first = f"from sigmoidf1 import {module}"
    if learned and num_classes:
        first = f"import torch; {first}"
    return f"{first}\ncriterion = {module}({', '.join(given)})"


def _parameter(value: Any, num_classes: int | None) -> str:
    return f"torch.nn.Parameter(torch.full(({num_classes},), {_python(float(value))}))"


def _python(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
