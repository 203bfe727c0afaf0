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
from sweeps.sensitivity.f_measure import maximise_f_measure
from sweeps.wording import suggestion

PREDICTION_FORMATS = ("json", "csv")
DECISIONS = ("threshold", "f-measure")


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a head says of N inputs.

    Attributes:
        names: where each input came from.
        inputs: N texts or image paths; None for ready features.
        labels: the labels of each: those whose probability is >= the threshold, or the set with
            the best expected F1.
        classes: C class names.
        probs: (N, C) float32.
        threshold: the cut; None for ``f-measure``, which has none.
        seed: the seed, or ``ensemble``.
    """

    names: list[str]
    inputs: list[str] | None
    labels: list[list[str]]
    classes: list[str]
    probs: np.ndarray
    threshold: float | None
    seed: int | str


def predict_inputs(
    head: ExportedHead,
    given: PredictionInputs,
    *,
    threshold: float | None = None,
    decision: str = "threshold",
    seed: int | str = ENSEMBLE,
    encoder: Mapping[str, Any] | None = None,
    device: str = "auto",
) -> Predictions:
    """Label inputs.

    Args:
        head: what :func:`sigmoidf1.load_head` read.
        given: what :func:`sweeps.prediction_inputs.read_inputs` read.
        threshold: in [0, 1]; None is the head's own.
        decision: ``threshold``, or ``f-measure``: the labels of each input with the best expected
            F1 (:func:`sweeps.sensitivity.f_measure.maximise_f_measure`), which needs no threshold.
        seed: a seed of the head, or ``ensemble``: the mean of the seeds' probabilities.
        encoder: the spec's ``encoder`` mapping; None is the one that the head was trained on.
        device: where the encoder runs.

    Raises:
        InputError: the inputs, the encoder, the seed or the threshold do not fit.
        SweepError: the decision is unknown, or a threshold is given for one without.
    """
    if decision not in DECISIONS:
        raise SweepError(f"Unknown decision {decision!r}. {suggestion(decision, DECISIONS)}")
    if decision == "f-measure" and threshold is not None:
        raise SweepError(
            f"F-measure maximisation has no threshold, but got {threshold:g}. Leave one of the two "
            "out."
        )
    if given.inputs is None:
        embeddings: Any = given.embeddings
    else:
        embeddings = head.encode(given.inputs, encoder=encoder, device=device)
    probs = head.predict(embeddings, seed=seed)
    if decision == "f-measure":
        cut = None
        labels = [
            [head.labels[place] for place in np.flatnonzero(row)]
            for row in maximise_f_measure(probs.numpy())
        ]
    else:
        cut = head.threshold if threshold is None else threshold
        labels = head.decide(probs, threshold=threshold)
    return Predictions(
        names=given.names,
        inputs=given.inputs,
        labels=labels,
        classes=head.labels,
        probs=probs.numpy(),
        threshold=cut,
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
