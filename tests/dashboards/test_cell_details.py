"""The numbers of one cell's page against the store, and F1 of classes against scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.metrics import f1_score

from dashboards.figures.cell_classes import cell_classes_data, cell_classes_text
from dashboards.figures.cell_classes_plot import plot_cell_classes
from dashboards.figures.cell_details import best_key, cell_details
from dashboards.figures.grid import FigureError
from dashboards.source import Source
from storage import kept_files
from storage.frames import load_cells, load_replicates
from storage.kept_files import KeptFileError
from storage.records import KeptRecord
from storage.store import Store

SWEEP = "movie-genres"


def key_of(source: Source, beta: float, eta: float) -> str:
    cells = source.cells(SWEEP, "sigmoid_f1")
    found = cells[(cells["param_beta"] == beta) & (cells["param_eta"] == eta)]
    return str(found["key"].iloc[0])


def test_a_cell_has_its_seeds_rank_interval_and_neighbours(source: Source) -> None:
    details = cell_details(source, SWEEP, best_key(source, SWEEP))
    assert details.rank is not None
    assert details.rank[0] >= 1
    assert details.interval is not None
    assert details.interval[0] < details.cell.mean < details.interval[1]
    assert details.states == {"complete": 5}
    shown = details.seeds["validation weighted_f1"].to_numpy(float)
    assert shown == pytest.approx(details.seeds["objective"].to_numpy(float), abs=1e-12)
    assert shown.mean() == pytest.approx(details.cell.mean, abs=1e-12)
    for other in details.neighbours:
        own = {**details.cell.settings, other.parameter: other.value}
        assert dict(other.cell.settings) == own
        values = cell_details(source, SWEEP, other.key).seeds["objective"].to_numpy(float)
        paired = values - details.seeds["objective"].to_numpy(float)
        assert other.paired == pytest.approx(np.nanmean(paired), abs=1e-12)


def test_what_went_wrong_is_told_by_seed(source: Source) -> None:
    details = cell_details(source, SWEEP, key_of(source, 20.0, 0.0))
    assert details.states == {"complete": 4, "diverged": 1}
    row = details.seeds[details.seeds["seed"] == 4].iloc[0]
    assert row["reason"] == "loss is nan in epoch 9"
    assert np.isnan(row["objective"])
    failed = cell_details(source, SWEEP, key_of(source, 30.0, 2.0))
    assert failed.rank is None
    assert failed.interval is None


def test_the_spec_of_a_cell_is_that_cell_alone(source: Source) -> None:
    details = cell_details(source, SWEEP, key_of(source, -10.0, 0.0))
    spec = yaml.safe_load(details.spec)
    assert spec["losses"] == {
        "sigmoid_f1": {"beta": -10.0, "eta": 0.0, "input": "logits", "reduction": "per_class"}
    }
    assert spec["seeds"] == [0, 1, 2, 3, 4]
    assert spec["objective"] == source.sweep(SWEEP).objective


@pytest.mark.parametrize("key", ["", "nope", "cell-00", "'; DROP TABLE sweep_cells; --"])
def test_a_key_of_no_cell_or_of_several_is_refused(source: Source, key: str) -> None:
    with pytest.raises(FigureError, match="named by the beginning of its key"):
        cell_details(source, SWEEP, key)


def test_a_sweep_without_a_finished_cell_says_so(source: Source) -> None:
    with pytest.raises(FigureError, match="no cell of 'not-begun' is finished"):
        best_key(source, "not-begun")


def _keep(
    store: Store,
    sweep_id: int,
    key: str,
    labels: list[str],
    targets: dict[str, Any],
    probs: dict[int, dict[str, Any]],
) -> None:
    folder = kept_files.kept_folder(store.url)
    ids = {split: [f"film-{k}" for k in range(len(rows))] for split, rows in targets.items()}
    digest = kept_files.write_targets(folder, "kept", targets, ids)
    replicates = load_replicates(store, "kept")
    cells = load_cells(store, "kept").set_index("key")
    records = []
    for seed, own in probs.items():
        file = kept_files.write_kept(
            folder,
            "kept",
            key,
            seed,
            parameters={"weight": np.zeros((3, 7)), "bias": np.zeros(7)},
            probs=own,
            metadata={"labels": labels, "targets_sha256": digest},
        )
        rows = replicates[
            (replicates["cell_id"] == cells.loc[key, "cell_id"]) & (replicates["seed"] == seed)
        ]
        records.append(
            KeptRecord(
                replicate_id=int(rows["replicate_id"].iloc[0]),
                path=file.path,
                sha256=file.sha256,
                size_bytes=file.size_bytes,
            )
        )
    store.keep(sweep_id, records)


def test_f1_of_classes_equals_scikit_learn_on_the_kept_scores(
    tmp_path: Path, dashboard_data: Any
) -> None:
    url = f"sqlite:///{tmp_path}/sweeps.db"
    cells = dashboard_data.make_cells([5.0], [0.0])
    rng = np.random.default_rng(3)
    n, labels = 60, [f"genre {k}" for k in range(7)]
    targets = {
        split: (rng.random((n, 7)) < 0.3).astype(np.uint8) for split in kept_files.KEPT_SPLITS
    }
    probs = {
        seed: {split: rng.random((n, 7), dtype=np.float32) for split in targets}
        for seed in range(2)
    }
    with Store.open(url) as store:
        sweep_id = dashboard_data.add_sweep(store, "kept", cells=cells, seeds=2)
        _keep(store, sweep_id, cells[0].key, labels, targets, probs)
    source = Source(url)
    for split, threshold in (("test", 0.37), ("validation", 0.8)):
        data = cell_classes_data(source, "kept", cells[0].key, split=split, threshold=threshold)
        for row, seed in enumerate((0, 1)):
            expected = f1_score(
                targets[split], probs[seed][split] >= threshold, average=None, zero_division=0
            )
            by_label = dict(zip(data.labels, data.f1[row], strict=True))
            assert [by_label[label] for label in labels] == pytest.approx(expected, abs=1e-12)
            assert data.macro[row] == pytest.approx(expected.mean(), abs=1e-12)
        assert data.positives.tolist() == sorted(targets[split].sum(axis=0), reverse=True)
        assert "7 classes" in cell_classes_text(data).caption
        assert len(plot_cell_classes(data, scheme="dark").data) == 2
    other = str(source.cells("kept")["key"].iloc[-1])
    with pytest.raises(KeptFileError, match=f"sweep keep kept --cell {other[:16]}"):
        cell_classes_data(source, "kept", other, split="test", threshold=0.5)
    source.close()
