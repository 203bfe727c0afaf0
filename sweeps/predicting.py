"""Labels new texts, images or features with an exported head, and writes what it said."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sigmoidf1.exported_heads import ENSEMBLE, ExportedHead
from sweeps.errors import SweepError
from sweeps.prediction_inputs import PredictionInputs
from sweeps.wording import suggestion

PREDICTION_FORMATS = ("json", "csv")


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a head says of N inputs.

    Attributes:
        names: where each input came from.
        inputs: N texts or image paths; None for ready features.
        labels: the labels of each, those whose probability is >= the threshold.
        classes: C class names.
        probs: (N, C) float32.
        threshold: the cut.
        seed: the seed, or ``ensemble``.
    """

    names: list[str]
    inputs: list[str] | None
    labels: list[list[str]]
    classes: list[str]
    probs: np.ndarray
    threshold: float
    seed: int | str


def predict_inputs(
    head: ExportedHead,
    given: PredictionInputs,
    *,
    threshold: float | None = None,
    seed: int | str = ENSEMBLE,
    encoder: Mapping[str, Any] | None = None,
    device: str = "auto",
) -> Predictions:
    """Label inputs.

    Args:
        head: what :func:`sigmoidf1.load_head` read.
        given: what :func:`sweeps.prediction_inputs.read_inputs` read.
        threshold: in [0, 1]; None is the head's own.
        seed: a seed of the head, or ``ensemble``: the mean of the seeds' probabilities.
        encoder: the spec's ``encoder`` mapping; None is the one that the head was trained on.
        device: where the encoder runs.

    Raises:
        InputError: the inputs, the encoder, the seed or the threshold do not fit.
    """
    if given.inputs is None:
        embeddings: Any = given.embeddings
    else:
        embeddings = head.encode(given.inputs, encoder=encoder, device=device)
    probs = head.predict(embeddings, seed=seed)
    return Predictions(
        names=given.names,
        inputs=given.inputs,
        labels=head.decide(probs, threshold=threshold),
        classes=head.labels,
        probs=probs.numpy(),
        threshold=head.threshold if threshold is None else threshold,
        seed=seed,
    )


def format_predictions(predictions: Predictions, format: str) -> str:
    """Write predictions as text; probabilities read back to the same float32.

    Args:
        predictions: what was predicted.
        format: ``json``: threshold, seed and one entry an input; ``csv``: a row an input with its
            labels, joined by ``|``, and a column a class.

    Raises:
        SweepError: the format is unknown.
    """
    if format == "json":
        return json.dumps(_document(predictions), indent=2, ensure_ascii=False) + "\n"
    if format != "csv":
        raise SweepError(f"Unknown format {format!r}. {suggestion(format, PREDICTION_FORMATS)}")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    shown = ["input"] if predictions.inputs is not None else []
    writer.writerow(["name", *shown, "labels", *(f"p({name})" for name in predictions.classes)])
    for row, name in enumerate(predictions.names):
        given = [predictions.inputs[row]] if predictions.inputs is not None else []
        numbers = [str(value) for value in predictions.probs[row]]
        writer.writerow([name, *given, "|".join(predictions.labels[row]), *numbers])
    return text.getvalue()


def _document(predictions: Predictions) -> dict[str, Any]:
    entries = []
    for row, name in enumerate(predictions.names):
        entry: dict[str, Any] = {"name": name}
        if predictions.inputs is not None:
            entry["input"] = predictions.inputs[row]
        entry["labels"] = predictions.labels[row]
        # The shortest decimal that reads back to the same float32.
        numbers = [float(str(value)) for value in predictions.probs[row]]
        entry["probabilities"] = dict(zip(predictions.classes, numbers, strict=True))
        entries.append(entry)
    return {
        "threshold": predictions.threshold,
        "seed": predictions.seed,
        "predictions": entries,
    }
