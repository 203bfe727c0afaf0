"""``sigmoidf1 verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sweeps.cli import options
from sweeps.cli.tables import print_json

EXAMPLE = "Example: sigmoidf1 verify best.yaml"


def verify(
    file: Annotated[
        Path, typer.Argument(help="What export best wrote: .yaml, .json or .toml, or a --spec.")
    ],
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Where data or encoder lie here, e.g. data.root=/data. May be repeated.",
        ),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Fail unless every metric is equal to the bit.")
    ] = False,
    threads: options.Threads = None,
    device: options.Device = options.TrainingDevice.cpu,
    cache_dir: options.CacheDir = None,
    json: options.Json = False,
) -> None:
    """Train an export's cells again from the file alone, and say whether every metric agrees.

    The store is not needed: the file says on what data, by which encoder and how. Fails when a
    metric differs, when a setting in the file was edited, or when the data are no longer the same.
    """
    from sweeps.cli.progress import heads_bar
    from sweeps.keep_summary import KeepOptions
    from sweeps.spec_text import parse_override
    from sweeps.verifying import verify_file

    with heads_bar("training again", quiet=json) as progress:
        verdicts = verify_file(
            file,
            options=KeepOptions(threads=threads, device=device.value, cache_dir=cache_dir),
            overrides=[parse_override(text) for text in set_ or []],
            progress=progress,
        )
    if json:
        print_json([_plain(verdict) for verdict in verdicts])
    else:
        for verdict in verdicts:
            for line in verdict.lines():
                typer.echo(line)
            _echo_metric(verdict)
    passed = [
        v.ok and (not exact or (v.agreement is not None and v.agreement.exact)) for v in verdicts
    ]
    if not json:
        typer.echo(f"{sum(passed)} of {len(passed)} cells verified.")
    if not all(passed):
        raise typer.Exit(1)


def _echo_metric(verdict: Any) -> None:
    for split, value in verdict.recorded.items():
        if split in verdict.now:
            typer.echo(
                f"  {verdict.metric} on {split}, mean over seeds: {value:.6f} in the file, "
                f"{verdict.now[split]:.6f} now"
            )


def _plain(verdict: Any) -> dict[str, Any]:
    from dataclasses import asdict

    from sweeps.sensitivity.plain import to_plain

    found = verdict.agreement
    plain: dict[str, Any] = to_plain(asdict(verdict))
    return plain | {
        "ok": verdict.ok,
        "exact": bool(found is not None and found.exact and not verdict.problems),
    }
