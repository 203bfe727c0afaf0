"""How ``sigmoidf1 datasets show`` prints a dataset's statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from sweeps.cli.tables import print_table

_BAR = 30
_CLASSES = 40
_PROBLEMS = 20


def print_statistics(statistics: Mapping[str, Any]) -> None:
    """Print what :func:`sigmoidf1.datasets.statistics.dataset_statistics` returns."""
    labels = statistics["labels_per_example"]
    typer.echo(
        f"{statistics['dataset']} ({statistics['modality']}): {statistics['n_examples']:,} "
        f"examples of {statistics['n_read']:,} read, {statistics['n_classes']} classes, "
        f"{labels['mean']:.2f} labels per example ({labels['min']} to {labels['max']})"
    )
    typer.echo(
        f"density {statistics['density']:.3f}, {statistics['n_label_sets']:,} label sets, "
        f"{statistics['n_unlabelled']:,} examples without labels, imbalance ratio "
        f"{statistics['imbalance']['mean']:.1f} (mean) {statistics['imbalance']['max']:.1f} (max)"
    )
    typer.echo(f"rarest: {', '.join(statistics['rarest'])}")
    _print_notes(statistics)
    print_table(
        ["split", "examples", "labels per example", "classes without positive"],
        [
            [
                name,
                str(part["examples"]),
                f"{part['labels_per_example']:.3f}",
                str(part["classes_without_positive"]),
            ]
            for name, part in statistics["splits"].items()
        ],
    )
    classes = statistics["classes"]
    most = classes[0]["examples"]
    title = f"the {_CLASSES} largest of {len(classes)} classes" if len(classes) > _CLASSES else None
    print_table(
        ["class", "examples", "share", "imbalance", ""],
        [
            [
                entry["label"],
                str(entry["examples"]),
                f"{entry['share']:.1%}",
                f"{entry['imbalance_ratio']:.1f}",
                "█" * max(1, round(_BAR * entry["examples"] / most)),
            ]
            for entry in classes[:_CLASSES]
        ],
        title=title,
    )
    if statistics["co_occurrence"]:
        print_table(
            ["together", "examples", "jaccard"],
            [
                [
                    " + ".join(pair["labels"]),
                    str(pair["examples"]),
                    f"{pair['jaccard']:.2f}",
                ]
                for pair in statistics["co_occurrence"]
            ],
        )
    _print_skipped(statistics["skipped"])


def _print_notes(statistics: Mapping[str, Any]) -> None:
    copies = statistics["duplicates"]
    if copies["n_sets"]:
        typer.echo(
            f"exact copies: {copies['n_examples']:,} examples in {copies['n_sets']:,} sets "
            f"({copies['n_with_differing_labels']:,} with differing labels), "
            f"{copies['n_dropped']:,} dropped (data.duplicates: {copies['policy']})"
        )
    if statistics["n_missing_files"]:
        typer.echo(f"images that are not there: {statistics['n_missing_files']:,}")
    if statistics["dropped_classes"]:
        names = [f"{entry['label']} ({entry['reason']})" for entry in statistics["dropped_classes"]]
        more = f" and {len(names) - _PROBLEMS} more" if len(names) > _PROBLEMS else ""
        typer.echo(f"dropped classes: {', '.join(names[:_PROBLEMS])}{more}")


def _print_skipped(skipped: Mapping[str, Any]) -> None:
    if not skipped["count"]:
        return
    typer.echo(f"{skipped['count']:,} problems were skipped:")
    for problem in skipped["problems"][:_PROBLEMS]:
        typer.echo(f"  {problem}")
    if skipped["count"] > _PROBLEMS:
        typer.echo(f"  … and {skipped['count'] - _PROBLEMS:,} more")
