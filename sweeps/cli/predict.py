"""``sigmoidf1 predict``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from sweeps.cli import options
from sweeps.cli.tables import print_table

EXAMPLE = 'Example: sigmoidf1 predict --head best-head --text "A heist goes wrong in Paris."'
_SHOWN = 60


class Decision(StrEnum):
    """How labels follow from probabilities."""

    threshold = "threshold"
    f_measure = "f-measure"


class PredictionFormat(StrEnum):
    """How predictions are written."""

    table = "table"
    json = "json"
    csv = "csv"


def predict(
    head: Annotated[
        Path, typer.Option("--head", help="The folder that export best --weights wrote.")
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[INPUT]...",
            help="A file of texts (.txt a text a line, .csv, .jsonl), images or folders of them, "
            "a file of features (.npz, .npy, .safetensors), or - for standard input.",
        ),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="A text to label. May be repeated.")
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="The texts' column of a .csv or .jsonl (default: text).")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Default: the head's own.")
    ] = None,
    decision: Annotated[
        Decision,
        typer.Option(
            help="By the threshold, or the labels of each input with the best expected F1."
        ),
    ] = Decision.threshold,
    seed: Annotated[
        str,
        typer.Option(
            metavar="SEED|ensemble", help="One seed's head, or the mean of their probabilities."
        ),
    ] = "ensemble",
    encoder: Annotated[
        str | None,
        typer.Option(help="The encoder's name, where its weights lie elsewhere here."),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Where the encoder runs: auto, cpu, cuda, cuda:1.")
    ] = "auto",
    on_error: options.OnBadInput = None,
    format_: Annotated[
        PredictionFormat | None,
        typer.Option("--format", help="Default: by the file's ending, else a table."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file to write (default: print).")
    ] = None,
) -> None:
    """Label new texts, images or features with an exported head.

    A label is given when its probability is at least the threshold, or, with --decision f-measure,
    when it is in the set with the best expected F1. The encoder, the threshold and the labels are
    those recorded with the head.
    """
    from sigmoidf1 import load_head
    from sweeps.export_files import write_text
    from sweeps.predicting import format_predictions, predict_inputs
    from sweeps.prediction_inputs import read_inputs

    loaded = load_head(head)
    given = read_inputs(
        inputs or [],
        text or [],
        modality=str(loaded.info["modality"]),
        column=column,
        skip_bad=on_error is options.OnError.skip,
    )
    for line in given.skipped:
        typer.echo(f"Skipped: {line}", err=True)
    found = predict_inputs(
        loaded,
        given,
        threshold=threshold,
        decision=decision.value,
        seed=int(seed) if seed.isdecimal() else seed,
        encoder=None if encoder is None else {**loaded.info["encoder"], "name": encoder},
        device=device,
    )
    chosen = format_ or _format_of(output)
    if chosen is PredictionFormat.table:
        if output is not None:
            raise typer.BadParameter("a table is printed: write .csv or .json.", param_hint="-o")
        _print(found)
        return
    written = format_predictions(found, chosen.value)
    if output is None:
        typer.echo(written, nl=False)
        return
    write_text(output, written)
    typer.echo(f"Wrote {output}: {len(found.names)} inputs.")


def _format_of(output: Path | None) -> PredictionFormat:
    if output is None:
        return PredictionFormat.table
    known = {".json": PredictionFormat.json, ".csv": PredictionFormat.csv}
    return known.get(output.suffix.lower(), PredictionFormat.csv)


def _print(found: Any) -> None:
    rows = []
    for row, name in enumerate(found.names):
        by_label = dict(zip(found.classes, found.probs[row].tolist(), strict=True))
        ranked = sorted(found.labels[row], key=lambda label: -by_label[label])
        best = max(by_label, key=lambda label: by_label[label])
        said = ", ".join(f"{label} {by_label[label]:.2f}" for label in ranked)
        shown = name if found.inputs is None else " ".join(found.inputs[row].split())
        if len(shown) > _SHOWN:
            shown = f"{shown[: _SHOWN - 1]}…"
        rows.append([shown, said or f"– (nearest: {best} {by_label[best]:.2f})"])
    who = "the mean of all seeds" if found.seed == "ensemble" else f"seed {found.seed}"
    how = (
        "Labels with the best expected F1"
        if found.threshold is None
        else f"Labels with a probability >= {found.threshold:g}"
    )
    print_table(["input", "labels"], rows, title=f"{how}, {who}")
