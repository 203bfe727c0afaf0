"""Rules of decision on kept scores: sets and thresholds computed another way, and their words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.metrics import f1_score

from dashboards.figures.boxplots import boxplot_data, boxplot_text
from dashboards.figures.boxplots_plot import plot_boxplots
from dashboards.figures.grid import FigureError
from dashboards.figures.kept_rules import rule_cells
from dashboards.figures.loss_table import loss_table, loss_table_text
from dashboards.pages.losses_rows import table_rows
from dashboards.source import Source
from storage.frames import load_cells, load_replicates
from storage.kept_files import kept_folder, write_kept, write_targets
from storage.records import KeptRecord
from storage.store import Store
from sweeps.sensitivity.f_measure import maximise_f_measure
from sweeps.sensitivity.threshold_rules import threshold_averaging

N, C, SEEDS, SWEEP = 50, 6, 3, "kept"
SPLITS = ("validation", "test")


class Kept(NamedTuple):
    url: str
    probs: dict[str, dict[str, Any]]  # key to split to (S, N, C)
    targets: dict[str, Any]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, dashboard_data: Any) -> Kept:
    """A sweep with kept scores of two sigmoidF1 cells and of no other loss."""
    url = f"sqlite:///{tmp_path_factory.mktemp('rules')}/kept.db"
    rng = np.random.default_rng(5)
    targets = {split: (rng.random((N, C)) < 0.3).astype(np.uint8) for split in SPLITS}
    cells = dashboard_data.make_cells([5.0, 9.0], [0.0])
    probs: dict[str, dict[str, Any]] = {}
    unsure = 6.0 * (np.arange(N) < 4)[:, None]  # these get no label by F-measure maximisation
    for cell, pull in zip(cells[:2], (0.5, 2.5), strict=True):  # the second separates better
        logits = {
            split: rng.normal(-1.0, 1.0, (SEEDS, N, C)) + pull * targets[split] - unsure
            for split in SPLITS
        }
        probs[cell.key] = {s: (1 / (1 + np.exp(-z))).astype(np.float32) for s, z in logits.items()}
    with Store.open(url) as store:
        sweep_id = dashboard_data.add_sweep(store, SWEEP, cells=cells, seeds=SEEDS)
        folder = kept_folder(url)
        ids = {split: [str(i) for i in range(N)] for split in SPLITS}
        digest = write_targets(folder, SWEEP, targets, ids)
        replicates = load_replicates(store, SWEEP)
        of_key = load_cells(store, SWEEP).set_index("key")["cell_id"]
        records = []
        for key, own in probs.items():
            for seed in range(SEEDS):
                file = write_kept(
                    folder, SWEEP, key, seed,
                    parameters={"weight": np.zeros((2, C)), "bias": np.zeros(C)},
                    probs={split: own[split][seed] for split in SPLITS},
                    metadata={"labels": [f"g{c}" for c in range(C)], "targets_sha256": digest},
                )  # fmt: skip
                mine = (replicates["cell_id"] == of_key[key]) & (replicates["seed"] == seed)
                records.append(
                    KeptRecord(
                        replicate_id=int(replicates.loc[mine, "replicate_id"].iloc[0]),
                        path=file.path, sha256=file.sha256, size_bytes=file.size_bytes,
                    )
                )  # fmt: skip
        store.keep(sweep_id, records)
    return Kept(url, probs, targets)


@pytest.fixture
def source(kept: Kept) -> Iterator[Source]:
    opened = Source(kept.url)
    yield opened
    opened.close()


def chosen(kept: Kept, key: str, rule: str, split: str) -> np.ndarray:
    probs = kept.probs[key][split]
    if rule == "f_measure":
        return maximise_f_measure(probs)
    cuts = threshold_averaging(kept.probs[key]["validation"], kept.targets["validation"])
    return probs >= cuts[:, None, None].astype(np.float32)


@pytest.mark.parametrize("rule", ["f_measure", "threshold_averaging"])
@pytest.mark.parametrize("split", SPLITS)
def test_the_best_kept_cell_under_the_rule_is_read_with_it(
    kept: Kept, source: Source, rule: str, split: str
) -> None:
    def scores(key: str, split: str, average: str = "weighted") -> list[float]:
        return [
            f1_score(kept.targets[split], one, average=average, zero_division=0)
            for one in chosen(kept, key, rule, split)
        ]

    best = max(kept.probs, key=lambda key: np.mean(scores(key, "validation")))
    found = rule_cells(source, SWEEP, rule, split)
    assert list(found.cells) == ["sigmoid_f1"]
    cell = found.cells["sigmoid_f1"]
    cells = source.cells(SWEEP).set_index("cell_id")
    assert cells.loc[cell.cell_id, "key"] == best
    assert cell.mean == pytest.approx(np.mean(scores(best, "validation")))
    for average in ("micro", "macro", "weighted"):
        frame = cell.seeds[f"{average}_f1"]
        assert frame["seed"].tolist() == [0, 1, 2]
        assert frame["value"].to_numpy() == pytest.approx(scores(best, split, average))
    if rule == "f_measure":
        sets = chosen(kept, best, rule, split)
        assert not sets.any(-1).all()
        lowest = np.where(sets, kept.probs[best][split], np.inf).min(-1)
        assert cell.threshold == pytest.approx(lowest[sets.any(-1)].mean())


def test_losses_without_kept_scores_name_the_command(source: Source) -> None:
    boxes = boxplot_data(source, SWEEP, rule="f_measure")
    table = loss_table(boxes)
    assert boxes.leader == "sigmoid_f1"
    assert "F-measure maximisation" in loss_table_text(table).subtitle
    caption = boxplot_text(boxes).caption
    assert "No scores of focal, asl, bce, unbounded_f1, soft_f1 are kept" in caption
    assert f"sigmoidf1 sweep keep {SWEEP} keeps those" in caption
    assert "independent" in caption
    rows = {row["loss"]: row for row in table_rows(table) if row["kind"] == "loss"}
    assert rows["bce"]["settings"] == "scores not kept"
    assert rows["sigmoid_f1"]["n"] == "3 of 3"
    assert len(plot_boxplots(boxes).data) >= 5


def test_rules_that_cannot_be_are_refused(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FigureError, match="must be one of fixed, tuned, threshold_averaging"):
        boxplot_data(source, SWEEP, rule="best")
    info = source.sweep(SWEEP)
    monkeypatch.setitem(info.objective, "metric", "map")
    with pytest.raises(FigureError, match="a micro, macro or weighted score"):
        rule_cells(source, SWEEP, "f_measure", "test")


def test_a_damaged_file_is_a_sentence(kept: Kept, source: Source) -> None:
    folder = kept_folder(kept.url)
    path = next(
        path for path in sorted(folder.rglob("*.safetensors")) if "targets" not in path.name
    )
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-4] + b"\0\0\0\1")
        (note, *_) = rule_cells(source, SWEEP, "f_measure", "test").notes
    finally:
        path.write_bytes(content)
    assert note.startswith("sigmoid_f1: ")
