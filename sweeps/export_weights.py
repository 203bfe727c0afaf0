"""Writes the heads of exported cells: a folder of weights and JSON for each, ready to predict."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sigmoidf1.cache_files import write_atomically
from sigmoidf1.encoders import get_encoder
from sigmoidf1.evaluation import evaluate
from sigmoidf1.exported_heads import FORMAT, FORMAT_VERSION, HEAD_FILE
from storage import frames
from storage.inside import locate_inside
from storage.kept_files import KEPT_SPLITS, KeptFileError, kept_folder, load_kept_scores, read_kept
from storage.records import SweepInfo
from storage.store import Store
from sweeps.agreement import compare_scores
from sweeps.errors import SweepError
from sweeps.export_files import write_text
from sweeps.head_card import head_card
from sweeps.imported import refuse_imported
from sweeps.keep_summary import KeepOptions
from sweeps.keep_work import stored_cells

if TYPE_CHECKING:
    from sweeps.retraining import TrainedAgain

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class _Heads:
    """The trained heads of one cell: parameters a seed, and probabilities with their targets."""

    parameters: list[dict[str, np.ndarray]]
    probs: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]
    labels: list[str]
    source: str


def write_heads(
    store: Store,
    result: Mapping[str, Any],
    folder: str | Path,
    *,
    options: KeepOptions | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Write the heads of exported cells, kept ones as they are, others trained again, exactly.

    Args:
        store: the store the results are of.
        result: as of :func:`sweeps.export.export_best`.
        folder: where to; a single cell is written into it, several into ``SWEEP-LOSS`` below it.
            An older head there is replaced; other files are left alone.
        options: where cells that are not kept train again.
        progress: called with (head-epochs done, all) while they do.

    Returns:
        The folders written, each with ``head.json``, a safetensors file a seed and ``README.md``:
        what :func:`sigmoidf1.load_head` reads.

    Raises:
        SweepError: a cell no longer trains to what is stored, or a folder cannot be written.
        StoreError: the store fails.
    """
    results = result["results"]
    base = Path(folder)
    places = [base if len(results) == 1 else base / f"{r['sweep']}-{r['loss']}" for r in results]
    by_sweep: dict[str, list[tuple[Mapping[str, Any], Path]]] = {}
    for one, place in zip(results, places, strict=True):
        by_sweep.setdefault(one["sweep"], []).append((one, place))
    for sweep, chosen in by_sweep.items():
        info = frames.load_sweep(store, sweep)
        found = {one["provenance"]["cell_key"]: _kept(store, info, one) for one, _ in chosen}
        missing = [one for one, _ in chosen if found[one["provenance"]["cell_key"]] is None]
        if missing:
            found |= _retrained(store, info, missing, options or KeepOptions(), progress)
        for one, place in chosen:
            heads = found[one["provenance"]["cell_key"]]
            if heads is not None:
                _write(place, info, one, heads)
    return places


def _kept(store: Store, info: SweepInfo, result: Mapping[str, Any]) -> _Heads | None:
    """The heads as they are kept; None unless every seed is, whole."""
    key, seeds = result["provenance"]["cell_key"], result["provenance"]["seeds"]
    rows = frames.load_kept(store, info.name, losses=[result["loss"]])
    rows = rows[rows["cell_key"] == key].sort_values("seed")
    if [int(seed) for seed in rows["seed"]] != seeds:
        return None
    folder = kept_folder(store.url)
    try:
        files = [
            read_kept(locate_inside(folder, path), sha256)
            for path, sha256 in zip(rows["path"], rows["sha256"], strict=True)
        ]
        scores = {split: load_kept_scores(store, info.name, key, split) for split in KEPT_SPLITS}
    except KeptFileError:
        return None
    return _Heads(
        parameters=[file.parameters for file in files],
        probs={split: kept.probs for split, kept in scores.items()},
        targets={split: kept.targets for split, kept in scores.items()},
        labels=scores["test"].labels,
        source="kept",
    )


def _retrained(
    store: Store,
    info: SweepInfo,
    results: Sequence[Mapping[str, Any]],
    options: KeepOptions,
    progress: Progress | None,
) -> dict[str, _Heads | None]:
    """The heads of cells of one sweep, trained together; by the cell's key."""
    from sweeps.retraining import Retrainer, same_features

    refuse_imported(info.name, info.spec)
    features = same_features(
        info.spec["data"],
        info.spec["encoder"],
        sweep=info.name,
        dataset_fingerprint=info.dataset_fingerprint,
        features_fingerprint=info.identity.get("features"),
        cache_dir=options.cache_dir,
    )
    retrainer = Retrainer(features, info.objective, threads=options.threads, device=options.device)
    seeds = {one["provenance"]["cell_key"]: one["provenance"]["seeds"] for one in results}
    cells = frames.load_cells(store, info.name)
    known = stored_cells(cells[cells["key"].isin(list(seeds))])
    pairs = [(known[key], seed) for key, of_cell in seeds.items() for seed in of_cell]
    trained: dict[tuple[str, int], tuple[TrainedAgain, dict[str, np.ndarray]]] = {}
    for batch in retrainer.run(pairs, progress=progress):
        probs = dict(retrainer.probabilities(batch, KEPT_SPLITS))
        for row, one in enumerate(batch):
            own = {split: values[row] for split, values in probs.items()}
            trained[one.cell.key, one.seed] = one, own
    _check_stored(store, info, cells, [one for one, _ in trained.values()])
    return {
        key: _Heads(
            parameters=[dict(trained[key, seed][0].parameters) for seed in of_cell],
            probs={
                split: np.stack([trained[key, seed][1][split] for seed in of_cell])
                for split in KEPT_SPLITS
            },
            targets={
                split: features.targets[features.split[split]].numpy() for split in KEPT_SPLITS
            },
            labels=list(features.labels),
            source="trained again",
        )
        for key, of_cell in seeds.items()
    }


def _check_stored(
    store: Store, info: SweepInfo, cells: Any, trained: Sequence[TrainedAgain]
) -> None:
    """Refuse heads that came out otherwise than the store says."""
    keys = dict(zip(cells["cell_id"], cells["key"], strict=True))
    rows = frames.load_replicates(store, info.name, losses=sorted({t.cell.loss for t in trained}))
    stored = {
        (keys[cell_id], int(seed)): value
        for cell_id, seed, value in zip(
            rows["cell_id"], rows["seed"], rows["objective"], strict=True
        )
    }
    measure = (info.objective["split"], info.objective["metric"])
    for one in trained:
        recorded = {measure: stored[one.cell.key, one.seed]}
        agreement = compare_scores(recorded, {measure: one.objective}, what=f"seed {one.seed}")
        if not agreement.close:
            raise SweepError(
                f"The cell of {one.cell.loss} must train to what {info.name!r} stored, but "
                f"{agreement.where}. Is this another GPU or another version of sigmoidf1?"
            )


def _write(place: Path, info: SweepInfo, result: Mapping[str, Any], heads: _Heads) -> None:
    from safetensors.numpy import save

    seeds = result["provenance"]["seeds"]
    files = []
    try:
        place.mkdir(parents=True, exist_ok=True)
        for seed, parameters in zip(seeds, heads.parameters, strict=True):
            content = bytes(save({k: np.ascontiguousarray(v) for k, v in parameters.items()}))
            name = f"seed-{seed}.safetensors"
            write_atomically(place / name, [content])
            sha256 = hashlib.sha256(content).hexdigest()
            files.append({"seed": seed, "file": name, "sha256": sha256})
    except OSError as error:
        raise SweepError(
            f"{place} must be a folder that can be written, but got: {error.strerror or error}. "
            "Choose another --weights folder."
        ) from error
    description = _describe(info, result, heads, files)
    # Last: the folder is a head once this file is there, and names every other by checksum.
    write_text(place / HEAD_FILE, json.dumps(description, indent=2, ensure_ascii=False) + "\n")
    write_text(place / "README.md", head_card(description))
    names = {entry["file"] for entry in files}
    for old in place.glob("seed-*.safetensors"):
        if old.name not in names:
            old.unlink()


def _describe(
    info: SweepInfo,
    result: Mapping[str, Any],
    heads: _Heads,
    files: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    provenance = dict(result["provenance"])
    spec = provenance["spec"]
    identity = dict(info.features_info.get("encoder") or {})
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "labels": heads.labels,
        "threshold": result["objective"]["threshold"],
        "loss": result["loss"],
        "hyperparameters": result["hyperparameters"],
        "head": provenance["head"],
        "dim": int(heads.parameters[0][_first(heads.parameters[0])].shape[0]),
        "precision": provenance["training"].get("precision", "float32"),
        "modality": _modality(spec["encoder"], identity),
        "encoder": spec["encoder"] or {"name": "none"},
        "encoder_identity": identity,
        "dataset": result["dataset"],
        "objective": result["objective"],
        "seeds": list(files),
        "validation": result["validation"],
        "test": result["test"],
        "ensemble": _ensemble(heads, float(result["objective"]["threshold"])),
        "heads": heads.source,
        "snippet": result["snippet"],
        "provenance": provenance,
    }


def _first(parameters: Mapping[str, Any]) -> str:
    return "hidden.weight" if "hidden.weight" in parameters else "weight"


def _ensemble(heads: _Heads, threshold: float) -> dict[str, dict[str, float | None]]:
    """Metrics of the seeds' mean probabilities, which no single seed's equal."""
    found: dict[str, dict[str, float | None]] = {}
    for split, probs in heads.probs.items():
        mean = torch.from_numpy(probs).double().mean(0).float()
        scores = evaluate(mean[None], heads.targets[split], threshold=threshold).scores
        found[split] = {
            name: float(value[0]) if bool(torch.isfinite(value[0])) else None
            for name, value in scores.items()
        }
    return found


def _modality(encoder: Mapping[str, Any], identity: Mapping[str, Any]) -> str:
    chosen = get_encoder(encoder)
    if chosen.modality is not None:
        return str(chosen.modality)
    # A Hugging Face model may embed either; only as a text model has it a length.
    return "text" if "max_length" in identity else "image"
