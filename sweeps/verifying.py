"""Verifies an export: trains its cells again from the file alone and compares every metric."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sigmoidf1.errors import InputError
from storage import codec
from storage.records import CellRecord
from sweeps.agreement import Agreement, compare_scores, merge_agreements
from sweeps.canonical import canonical_json
from sweeps.errors import SpecError, SweepError
from sweeps.keep_summary import KeepOptions
from sweeps.plan import make_plan
from sweeps.retraining import Retrainer, TrainedAgain, same_features
from sweeps.spec import SweepSpec, parse_spec
from sweeps.sweep_data import embeddings_sha256
from sweeps.verdicts import Verdict
from sweeps.verifying_files import read_claims

SAME = 1e-9
SPLITS = ("validation", "test")
Progress = Callable[[int, int], None]


def verify_file(
    path: str | Path,
    *,
    options: KeepOptions | None = None,
    overrides: Sequence[tuple[str, str]] = (),
    progress: Progress | None = None,
) -> list[Verdict]:
    """Train the cells of an export again and compare every metric of every seed.

    The original store is not needed: data, encoder and settings are in the file. A cell's key is
    computed again from its hyperparameters, training and head, and the data's fingerprint from
    the data; both must be those recorded.

    Args:
        path: what ``sigmoidf1 export best`` wrote as YAML, JSON or TOML, or with ``--spec``.
        options: where the cells train again.
        overrides: pairs of a dotted key and YAML text, as of ``--set``, for data or an encoder
            that lie elsewhere here: ``data.root``, ``data.path``, ``encoder.name``.
        progress: called with (head-epochs done, all) of the cell in hand, from any thread.

    Returns:
        A verdict for each cell, in the order of the file.

    Raises:
        SweepError: the file cannot be read or is no export.
    """
    return verify_results(
        read_claims(Path(path)),
        source=str(path),
        options=options,
        overrides=overrides,
        progress=progress,
    )


def verify_results(
    results: Sequence[Mapping[str, Any]],
    *,
    source: str = "the export",
    options: KeepOptions | None = None,
    overrides: Sequence[tuple[str, str]] = (),
    progress: Progress | None = None,
) -> list[Verdict]:
    """Verify results of :func:`sweeps.export.export_best`; see :func:`verify_file`.

    Cells on the same data train together.
    """
    claims = [_Claim.of(result, source, overrides) for result in results]
    groups: dict[str, list[_Claim]] = {}
    for claim in claims:
        if claim.cell is not None:
            groups.setdefault(claim.group, []).append(claim)
    for group in groups.values():
        try:
            _train(group, options or KeepOptions(), progress)
        except (SweepError, InputError) as error:
            for claim in group:
                claim.problems.append(str(error))
    return [claim.verdict() for claim in claims]


@dataclass(kw_only=True)
class _Claim:
    """One result of a file, the cell that it describes, and that cell's scores trained again."""

    result: Mapping[str, Any]
    cell: CellRecord | None = None
    spec: SweepSpec | None = None
    problems: list[str] = field(default_factory=list)
    now: dict[int, dict[tuple[str, str], float]] = field(default_factory=dict)
    embeddings: str = ""

    @classmethod
    def of(
        cls, result: Mapping[str, Any], source: str, overrides: Sequence[tuple[str, str]]
    ) -> _Claim:
        try:
            cell, spec = _recorded_cell(result, source, overrides)
        except (SpecError, InputError) as error:
            return cls(result=result, problems=[str(error)])
        problems = list(_contradictions(result, cell, spec))
        return cls(result=result, cell=cell, spec=spec, problems=problems)

    @property
    def provenance(self) -> Mapping[str, Any]:
        provenance: Mapping[str, Any] = self.result["provenance"]
        return provenance

    @property
    def seeds(self) -> list[int]:
        return [int(seed) for seed in self.provenance["seeds"]]

    @property
    def plain(self) -> dict[str, Any]:
        return {} if self.spec is None else self.spec.to_plain()

    @property
    def group(self) -> str:
        """Equal for claims that train on the same features by the same objective."""
        fixed = {key: self.plain[key] for key in ("data", "encoder", "objective")}
        prints = ("dataset_fingerprint", "features_fingerprint")
        return canonical_json([fixed, [self.provenance.get(name) for name in prints]])

    @property
    def cut(self) -> float | None:
        """The threshold of the scores, where it is not the objective's own."""
        cut = float(self.result["objective"]["threshold"])
        own = float(self.plain["objective"]["threshold"])
        return None if abs(cut - own) <= SAME else cut

    def verdict(self) -> Verdict:
        sweep, dataset, loss = (str(self.result[key]) for key in ("sweep", "dataset", "loss"))
        if not self.now:
            return Verdict(sweep=sweep, dataset=dataset, loss=loss, problems=self.problems)
        metric = str(self.result["objective"]["metric"])
        recorded_bits = self.provenance.get("embeddings_sha256")
        recorded, now = {}, {}
        for split in SPLITS:
            values = self.result[split].get(metric, {"values": [None]})["values"]
            if None not in values:
                recorded[split] = float(np.mean(values))
                now[split] = float(np.mean([one[split, metric] for one in self.now.values()]))
        return Verdict(
            sweep=sweep,
            dataset=dataset,
            loss=loss,
            problems=self.problems,
            agreement=_compare(self.result, self.seeds, self.now),
            metric=metric,
            recorded=recorded,
            now=now,
            same_embeddings=None if recorded_bits is None else recorded_bits == self.embeddings,
        )


def _train(group: Sequence[_Claim], options: KeepOptions, progress: Progress | None) -> None:
    """Train the cells of claims on the same features, and note what they score."""
    first = group[0]
    features = same_features(
        first.plain["data"],
        first.plain["encoder"],
        sweep=str(first.result["sweep"]),
        dataset_fingerprint=str(first.provenance["dataset_fingerprint"]),
        features_fingerprint=first.provenance.get("features_fingerprint"),
        cache_dir=options.cache_dir,
    )
    bits = embeddings_sha256(features)
    retrainer = Retrainer(
        features, first.plain["objective"], threads=options.threads, device=options.device
    )
    pairs = {
        (claim.cell.key, seed): (claim.cell, seed)
        for claim in group
        if claim.cell is not None
        for seed in claim.seeds
    }
    thresholds = sorted({claim.cut for claim in group if claim.cut is not None})
    trained = {
        (one.cell.key, one.seed): one
        for batch in retrainer.run(list(pairs.values()), thresholds=thresholds, progress=progress)
        for one in batch
    }
    for claim in group:
        if claim.cell is not None:
            claim.embeddings = bits
            column = None if claim.cut is None else thresholds.index(claim.cut)
            claim.now = {
                seed: _scores_at(trained[claim.cell.key, seed], column) for seed in claim.seeds
            }


def _recorded_cell(
    result: Mapping[str, Any], source: str, overrides: Sequence[tuple[str, str]]
) -> tuple[CellRecord, SweepSpec]:
    """The cell as the visible part of the file says, and the spec that it records."""
    provenance = result["provenance"]
    place = f"provenance.spec of {source}"
    if provenance["spec"] is None:
        raise SpecError(f"{place} is empty: the results were imported, not trained here.")
    spec = parse_spec(provenance["spec"], overrides=overrides, source=place)
    visible = dict(provenance["spec"]) | {
        "losses": {result["loss"]: result["hyperparameters"]},
        "training": provenance["training"],
        "head": provenance["head"],
    }
    planned = make_plan(parse_spec(visible, source=source)).cells
    if len(planned) != 1:
        raise SpecError(f"{source}: a result must be one cell, but got {len(planned)}.")
    return planned[0], spec


def _contradictions(result: Mapping[str, Any], cell: CellRecord, spec: SweepSpec) -> Iterator[str]:
    provenance = result["provenance"]
    recorded = str(provenance["cell_key"])
    if cell.key != recorded:
        yield (
            f"The settings are not those of the recorded cell {recorded[:16]}: hyperparameters, "
            f"training and head give {cell.key[:16]}. They were edited."
        )
    planned = {one.key for one in make_plan(spec).cells}
    if planned != {recorded}:
        yield f"provenance.spec does not plan the recorded cell {recorded[:16]}. It was edited."
    seeds = [int(seed) for seed in provenance["seeds"]]
    for split in SPLITS:
        for metric, score in result[split].items():
            values = [np.nan if value is None else float(value) for value in score["values"]]
            if len(values) != len(seeds):
                yield f"{metric} on {split} has {len(values)} values for {len(seeds)} seeds."
            elif score.get("mean") is not None and abs(np.mean(values) - score["mean"]) > SAME:
                yield (
                    f"{metric} on {split} has the mean {score['mean']!r}, but its values have "
                    f"{float(np.mean(values))!r}. It was edited."
                )


def _scores_at(one: TrainedAgain, column: int | None) -> dict[tuple[str, str], float]:
    """Scores at the objective's threshold, or at the given one of those asked for."""
    if column is None:
        return dict(one.scores)
    # The store keeps other thresholds in 16-bit fixed point: compared as it would keep them.
    kept = {
        measure: float(codec.decode_fixed(codec.encode_fixed(values[[column]]), (1,))[0])
        for measure, values in one.curves.items()
    }
    return dict(one.scores) | kept


def _compare(
    result: Mapping[str, Any],
    seeds: Sequence[int],
    now: Mapping[int, Mapping[tuple[str, str], float]],
) -> Agreement:
    parts = []
    for place, seed in enumerate(seeds):
        recorded = {
            (split, metric): score["values"][place]
            for split in SPLITS
            for metric, score in result[split].items()
            if place < len(score["values"])
        }
        parts.append(compare_scores(recorded, now[seed], what=f"seed {seed}"))
    return merge_agreements(parts)
