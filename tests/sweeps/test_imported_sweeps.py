"""An imported sweep is read like any other, and never trained."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from storage.errors import RecordError
from storage.importing import import_results
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.export import export_best
from sweeps.export_files import EXPORT_FORMATS, format_export
from sweeps.export_spec import best_specs
from sweeps.keeping import keep_best, keep_cells
from sweeps.reading import best_rows, sweep_details
from sweeps.verifying import verify_file


@pytest.fixture
def url(tmp_path):
    rows = [
        {"beta": b, "eta": e, "seed": s, "f1": 0.4 + b / 100 - e / 10 + s / 1000}
        for b in (1, 5)
        for e in (0, 1)
        for s in range(3)
    ]  # fmt: skip
    rows[4]["f1"], rows[4]["state"] = None, "diverged"
    address = f"sqlite:///{tmp_path / 'store.db'}"
    with Store.open(address) as store:
        import_results(store, "earlier", pd.DataFrame(rows), value="f1", loss="sigmoid_f1")
    return address


def test_show_and_export_name_the_best_cell(url, tmp_path):
    details = sweep_details(url, "earlier")
    assert (details["cells"], details["seeds"], details["pareto"]) == (4, 3, [])
    (row,) = best_rows(url, "earlier")
    assert row["chosen"] == {"beta": 5, "eta": 0}
    assert row["validation"] == pytest.approx(0.451)
    assert (row["test"], row["predict_all"]) == (None, None)
    with Store.open(url, create=False, read_only=True) as store:
        results = export_best(store, rule="lower-bound")
    assert results["results"][0]["baselines"] == {}
    for kind in EXPORT_FORMATS:
        assert "earlier" in format_export(results, kind) or kind == "latex"
    file = tmp_path / "best.json"
    file.write_text(json.dumps(results), encoding="utf-8")
    (verdict,) = verify_file(file)
    assert "imported" in str(verdict)


def test_what_would_train_it_is_refused_in_one_line(url):
    with Store.open(url) as store:
        results = export_best(store)
        key = results["results"][0]["provenance"]["cell_key"]
        for work in (
            lambda: best_specs(store, results),
            lambda: keep_best(store, "earlier"),
            lambda: keep_cells(store, "earlier", [key]),
        ):
            with pytest.raises(SweepError, match="imported, and nothing says how"):
                work()
        with pytest.raises(RecordError, match="imported"):
            store.retry(store.sweep_id("earlier"), ("diverged",))
        assert store.counts(store.sweep_id("earlier"))["diverged"] == 1
