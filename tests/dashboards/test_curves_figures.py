"""Curves against numbers decoded from the store's raw rows, and against scikit-learn."""

from __future__ import annotations

import json
import sqlite3
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from dashboards.figures.cells import find_cells
from dashboards.figures.curves import learning_data, learning_text
from dashboards.figures.curves_plot import plot_learning
from dashboards.figures.curves_threshold import threshold_data, threshold_text_of
from dashboards.figures.curves_threshold_plot import moving_range, plot_threshold_curves
from dashboards.figures.dataset_statistics import co_occurrence
from dashboards.figures.grid import FigureError
from dashboards.figures.loss_shape import loss_shape_data
from dashboards.figures.loss_shape_scores import score_histograms, shape_numbers
from dashboards.source import Source
from storage.errors import StoreError
from storage.kept_files import kept_folder, load_kept_scores, write_kept, write_targets
from storage.records import KeptRecord, PackResult
from storage.store import Store
from sweeps.sensitivity.cell_summary import saturation
from sweeps.sensitivity.label_metrics import score

SWEEP = "movie-genres"
SPLITS = ("validation", "test")
N, C, SEEDS = 60, 5, 3
NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def raw(url: str, query: str, *values: Any) -> list[Any]:
    with sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True) as base:
        return base.execute(query, values).fetchall()


def raw_slice(url: str, key: str, seed: int, split: str, metric: str, at: int) -> float:
    """One 16-bit score, decoded here from the bytes of its pack."""
    ((pack, index, size),) = raw(
        url,
        "select r.pack_id, r.pack_index, p.n_replicates from sweep_replicates r "
        "join sweep_cells c on c.id = r.cell_id join sweep_packs p on p.id = r.pack_id "
        "join sweep_sweeps s on s.id = c.sweep_id where c.key = ? and r.seed = ? and s.name = ?",
        key, seed, SWEEP,
    )  # fmt: skip
    ((data,),) = raw(
        url,
        "select data from sweep_slices where pack_id=? and split=? and metric=? and chunk=?",
        pack, split, metric, at // 11,
    )  # fmt: skip
    planes = np.frombuffer(zlib.decompress(data), np.uint8).reshape(2, -1)
    codes = planes[0].astype(int) + 256 * planes[1].astype(int)
    return codes.reshape(-1, size)[at % 11, index] / 65534


def test_threshold_curves_equal_the_raw_rows(store_url: str, source: Source) -> None:
    cells = source.cells(SWEEP, "sigmoid_f1")
    chosen = cells[
        ((cells["param_beta"] == -1.0) & (cells["param_eta"] == 0.0))
        | ((cells["param_beta"] == 7.0) & (cells["param_eta"] == 0.0))
    ]["key"].tolist()
    data = threshold_data(source, SWEEP, metric="micro_f1", keys=chosen)
    assert [cell.settings["beta"] for cell in data.cells] == [-1.0, 7.0]
    for key, curve in zip(chosen, data.curves, strict=True):
        for split, seed, at in (("validation", 0, 3), ("test", 4, 60), ("test", 2, 98)):
            own = curve.values[split][list(curve.seeds).index(seed), at]
            assert own == pytest.approx(raw_slice(store_url, key, seed, split, "micro_f1", at))
    good = data.curves[1]
    assert good.tuned == data.thresholds[np.argmax(good.mean["validation"])]
    assert good.gain["validation"] >= 0


def test_learning_curves_equal_the_raw_rows(store_url: str, source: Source) -> None:
    data = learning_data(source, SWEEP)
    assert data.names[1].startswith("focal γ")
    curve = data.curves["train_loss"][1]
    assert curve.epochs.tolist() == [1, 2, 4, 8, 30, 60]
    assert curve.values.shape == (5, 6)
    assert curve.mean == pytest.approx(np.linspace(0.9, 0.4, 6))
    assert data.states[1] == {"complete": 5}
    rows = raw(
        store_url,
        "select c.data, p.n_replicates, r.pack_index from sweep_curves c "
        "join sweep_packs p on p.id = c.pack_id join sweep_replicates r on r.pack_id = p.id "
        "where r.cell_id = ? and c.name = 'objective' order by r.seed",
        data.cells[1].cell_id,
    )
    for own, (blob, size, index) in zip(data.curves["objective"][1].values, rows, strict=True):
        planes = np.frombuffer(zlib.decompress(blob), np.uint8).reshape(4, -1)
        values = np.ascontiguousarray(planes.T).view("<f4").reshape(-1, size)[:, index]
        assert own == pytest.approx(values)
    waiting = learning_data(source, "not-begun")
    assert "no finished seed yet" in plot_learning(waiting).layout.annotations[0].text
    assert "compare shapes" in learning_text(data, "train_loss", best=True).caption


def test_diverged_and_waiting_cells_have_their_states_and_no_curve(source: Source) -> None:
    cells = source.cells(SWEEP)
    waiting = cells[(cells["param_beta"] == 30.0) & (cells["param_eta"] == -1.0)]["key"].item()
    diverged = cells[cells["loss"] == "unbounded_f1"]["key"].item()
    keys = [waiting, diverged]
    learning = learning_data(source, SWEEP, keys=keys)
    assert learning.states == ({"waiting": 5}, {"diverged": 5})
    curves = threshold_data(source, SWEEP, keys=keys)
    assert [curve.tuned for curve in curves.curves] == [None, None]
    for figure in (plot_learning(learning, "train_loss"), plot_threshold_curves(curves)):
        assert figure.layout.height > 200
    assert moving_range(curves) == (curves.thresholds.min(), curves.thresholds.max())


@pytest.mark.parametrize("sweep", ["not-begun", "finished"])
def test_other_states_of_a_sweep_are_drawn(source: Source, sweep: str) -> None:
    curves = threshold_data(source, sweep)
    assert (len(curves.cells) == 0) == (sweep == "not-begun")
    for stacked in (False, True):
        plot_threshold_curves(curves, stacked=stacked, whole=stacked, scheme="dark")
    assert threshold_text_of(curves, best=True).caption
    for name in ("objective", "train_loss"):
        plot_learning(learning_data(source, sweep), name, columns=1)


@pytest.mark.parametrize(
    ("keys", "said"),
    [(["zzz"], "none of its cells"), (["cell-"], "several of its cells begin so"), ([""], "got ''"),
     ([f"cell-{i:04d}" for i in range(13)], "At most 12 cells")],
)  # fmt: skip
def test_keys_that_name_no_cell_are_refused(source: Source, keys: list[str], said: str) -> None:
    with pytest.raises(FigureError, match=said):
        learning_data(source, SWEEP, keys=keys)


def test_a_metric_without_curve_has_no_threshold_curve(source: Source) -> None:
    with pytest.raises(FigureError, match="kept at every threshold, but got 'map'"):
        threshold_data(source, SWEEP, metric="map")
    assert find_cells(source, SWEEP, ["cell-0001", "cell-0001"]) == find_cells(
        source, SWEEP, ["cell-0001"]
    )


class Kept(NamedTuple):
    url: str
    key: str
    probs: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]


@pytest.fixture
def kept(tmp_path: Path, dashboard_data: Any) -> Kept:
    """A store whose first cell's curves were counted from the probabilities kept beside it."""
    url = f"sqlite:///{tmp_path}/kept.db"
    rng = np.random.default_rng(7)
    targets = {split: (rng.random((N, C)) < 0.3).astype(np.uint8) for split in SPLITS}
    probs = {
        split: (1 / (1 + np.exp(-rng.normal(-0.5, 1.0, (SEEDS, N, C)) - targets[split]))).astype(
            np.float32
        )
        for split in SPLITS
    }
    cells = dashboard_data.make_cells([5.0], [0.0])
    with Store.open(url) as store:
        sweep_id = dashboard_data.add_sweep(store, SWEEP, cells=cells, seeds=SEEDS, record=False)
        info = store.sweep(SWEEP)
        own = [r for r in store.open_replicates(sweep_id) if r.cell_key == cells[0].key]
        ids = [r.replicate_id for r in own]
        store.claim(ids, "test", 60.0)
        store.record_pack(sweep_id, _pack(ids, info, probs, targets), "test")
        folder = kept_folder(url)
        digest = write_targets(
            folder, SWEEP, targets, {split: [str(i) for i in range(N)] for split in SPLITS}
        )
        records = []
        for place, replicate in enumerate(own):
            file = write_kept(
                folder, SWEEP, cells[0].key, replicate.seed,
                parameters={"weight": np.zeros((2, C)), "bias": np.zeros(C)},
                probs={split: probs[split][place] for split in SPLITS},
                metadata={"labels": [f"genre {c}" for c in range(C)], "targets_sha256": digest},
            )  # fmt: skip
            records.append(
                KeptRecord(
                    replicate_id=replicate.replicate_id,
                    path=file.path,
                    sha256=file.sha256,
                    size_bytes=file.size_bytes,
                )
            )
        store.keep(sweep_id, records)
    return Kept(url, cells[0].key, probs, targets)


def _pack(ids: list[int], info: Any, probs: Any, targets: Any) -> PackResult:
    curve = [metric["name"] for metric in info.metrics if metric["curve"]]
    slices = {
        (split, metric): np.stack(
            [score(metric, probs[split], targets[split], t) for t in info.thresholds], axis=1
        )
        for split in SPLITS
        for metric in curve
    }
    at = int(np.argmin(np.abs(np.asarray(info.thresholds) - info.objective["threshold"])))
    scores = {key: values[:, at] for key, values in slices.items()}
    return PackResult(
        replicate_ids=ids, states=["complete"] * len(ids), reasons=[None] * len(ids),
        objective=scores["validation", "weighted_f1"], scores=scores, slices=slices, curves={},
        curve_epochs=[], diagnostics={}, started_at=NOW, finished_at=NOW + timedelta(seconds=1),
        duration_s=1.0, worker="test",
    )  # fmt: skip


def test_a_random_cell_threshold_and_split_equals_scikit_learn(kept: Kept) -> None:
    """The number in the figure's JSON is scikit-learn's on the probabilities that are kept."""
    source = Source(kept.url)
    rng = np.random.default_rng()
    for average in ("micro", "macro", "weighted"):
        data = threshold_data(source, SWEEP, metric=f"{average}_f1", keys=[kept.key])
        figure = json.loads(plot_threshold_curves(data).to_json())
        at, split = int(rng.integers(len(data.thresholds))), str(rng.choice(SPLITS))
        traces = [t for t in figure["data"] if f", {split}<br>" in t.get("hovertemplate", "")]
        predicted = kept.probs[split] >= np.float32(data.thresholds[at])
        expected = [
            precision_recall_fscore_support(
                kept.targets[split], own, average=average, zero_division=0
            )[2]
            for own in predicted
        ]
        assert traces[0]["y"][at] == pytest.approx(np.mean(expected), abs=1e-5), (at, split)
    source.close()


def test_the_loss_shape_counts_every_kept_score(kept: Kept) -> None:
    source = Source(kept.url)
    data = loss_shape_data(source, SWEEP, split="test")
    assert (data.beta, data.eta, data.input) == (5.0, 0.0, "logits")
    assert data.kept is not None
    counts = data.kept.by_input["logits"]
    assert counts.positives.sum() == SEEDS * kept.targets["test"].sum()
    assert counts.negatives.sum() == SEEDS * (1 - kept.targets["test"].astype(int)).sum()
    for kind in ("logits", "probabilities"):
        numbers = shape_numbers(data.kept.by_input[kind], 5.0, -0.3)
        share = saturation(kept.probs["test"], beta=5.0, eta=-0.3, input=kind).mean()
        positives = np.broadcast_to(kept.targets["test"] > 0, kept.probs["test"].shape).mean()
        both = numbers.saturated["positives"] * positives
        both += numbers.saturated["negatives"] * (1 - positives)
        assert both == pytest.approx(share, abs=0.01)
    pairs = co_occurrence(source, SWEEP, split="test")
    assert pairs is not None
    assert pairs.together.sum() == (kept.targets["test"].sum(axis=1).astype(int) ** 2).sum()
    source.close()


def test_a_kept_file_that_was_altered_is_refused(kept: Kept) -> None:
    file = next(Path(kept_folder(kept.url)).glob("*/cell-0000*.safetensors"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError):
        loss_shape_data(Source(kept.url), SWEEP)


def test_kept_scores_of_one_and_of_zero_are_counted(kept: Kept) -> None:
    with Store.open(kept.url, read_only=True) as store:
        found = load_kept_scores(store, SWEEP, kept.key, "test")
    found.probs[0, 0] = 0.0
    found.probs[0, 1] = 1.0
    counts = score_histograms(found)
    for scores in counts.values():
        assert scores.positives.sum() + scores.negatives.sum() == found.probs.size
