"""Exports as TOML and as LaTeX."""

from __future__ import annotations

import math
import tomllib

import pytest
import yaml

from sweeps.export_files import format_export
from sweeps.export_latex import escape_latex, format_latex
from sweeps.export_spec import best_specs, format_spec, several_specs, write_specs
from sweeps.export_toml import format_toml


def result(**changes) -> dict:
    score = {"mean": 0.53, "sd": 0.03, "values": [0.5, 0.56, None]}
    return {
        "dataset": "movie_genres",
        "loss": "sigmoid_f1",
        "hyperparameters": {"beta": 5.0, "eta": -0.5, "input": "logits", "alpha": None},
        "objective": {"metric": "weighted_f1", "split": "validation", "threshold": 0.5},
        "n_seeds": 3,
        "validation": {"weighted_f1": score},
        "test": {"weighted_f1": score},
    } | changes


def test_toml_reads_back_but_for_what_has_no_value():
    found = tomllib.loads(format_export({"results": [result(), result(loss="focal")]}, "toml"))
    assert [row["loss"] for row in found["results"]] == ["sigmoid_f1", "focal"]
    first = found["results"][0]
    assert first["hyperparameters"] == {"beta": 5.0, "eta": -0.5, "input": "logits"}
    values = first["test"]["weighted_f1"]["values"]
    assert values[:2] == [0.5, 0.56]
    assert math.isnan(values[2])


def test_toml_of_odd_values():
    document = {
        "text": 'a "quoted"\n\tβ\\ \x7f \x01', "no": False, "odd key.β": 1, "small": 1e-5,
        "huge": 1e22, "empty": [], "nothing": {}, "list": [{"a": [1, 2], "b c": {"d": "e"}}],
        "deep": {"er": {"list": [{"x": None, "y": 1}]}},
    }  # fmt: skip
    found = tomllib.loads(format_toml(document))
    document["deep"] = {"er": {"list": [{"y": 1}]}}
    assert found == document


def test_latex_rows():
    lines = format_latex([result()]).splitlines()
    row = next(line for line in lines if line.startswith("movie"))
    assert row == (
        r"movie\_genres & sigmoid\_f1 & $\beta$~$5$, $\eta$~$-0.5$, input~logits, "
        r"$\alpha$~none & 0.5 & 3 & 0.5300 $\pm$ 0.0300 & 0.5300 $\pm$ 0.0300 \\ % weighted\_f1"
    )
    assert lines[-1] == r"\end{tabular}"
    assert r"\begin{tabular}{lllrrrr}" in lines
    assert row.count("&") == len("lllrrrr") - 1


def test_latex_intervals_and_gaps():
    interval = {"low": 0.5, "high": 0.56, "reason": None}
    none = {"low": None, "high": None, "reason": "one seed"}
    intervals = {"validation": {"weighted_f1": interval}, "test": {"weighted_f1": none}}
    text = format_latex([result(intervals=intervals)])
    assert "0.5300 [0.5000, 0.5600] & 0.5300 " in text
    assert "t interval over seeds" in text
    lone = {"weighted_f1": {"mean": 0.5, "sd": None, "values": [0.5]}}
    assert "& 0.5000 & --" in format_latex([result(validation=lone, test={})])
    assert "& -- &" in format_latex([result(hyperparameters={})])
    assert r"\toprule" in format_latex([])


def test_latex_escapes():
    assert escape_latex("a_b & 50% {~}\n\\") == (
        r"a\_b \& 50\% \{\textasciitilde{}\} \textbackslash{}"
    )


class FakeStore:
    """Never opened: only what `best_specs` asks of the frames is replaced."""


@pytest.fixture
def specs(monkeypatch):
    from types import SimpleNamespace

    spec = {
        "sweep": "films", "data": {"dataset": "features", "path": "x.npz"}, "encoder": {},
        "seeds": [0, 1], "objective": {"metric": "micro_f1", "split": "validation",
        "threshold": 0.5}, "head": {"kind": "linear"}, "training": {"lr": [1, 2]},
        "losses": {"bce": {}, "focal": {}}, "description": "",
    }  # fmt: skip
    monkeypatch.setattr(
        "sweeps.export_spec.frames.load_sweep", lambda store, name: SimpleNamespace(spec=spec)
    )
    provenance = {"head": {"kind": "linear"}, "training": {"lr": 2}}

    def of(*sweeps: str) -> list[dict]:
        rows = [result(sweep=name, loss="focal", provenance=provenance) for name in sweeps]
        return best_specs(FakeStore(), {"results": rows})

    return of


def test_specs_keep_all_but_the_cell(specs):
    (spec,) = specs("films")
    assert spec["sweep"] == "films-focal-best"
    assert spec["training"] == {"lr": 2}
    assert list(spec["losses"]) == ["focal"]
    assert spec["objective"]["metric"] == "micro_f1"
    assert yaml.safe_load(format_spec(spec)) == spec


def test_long_names_stay_distinct_and_allowed(specs):
    from sweeps.spec_rules import check_sweep_name

    names = [spec["sweep"] for spec in specs("a" * 100, "a" * 99 + "b")]
    assert len(set(names)) == 2
    assert all(len(name) <= 100 and name.endswith("-focal-best") for name in names)
    assert [check_sweep_name(name) for name in names] == names


def test_specs_go_to_a_file_or_a_folder(specs, tmp_path):
    from sweeps.errors import SweepError

    assert write_specs(specs("a"), tmp_path / "one.yaml") == [tmp_path / "one.yaml"]
    paths = write_specs(specs("a", "b"), tmp_path)
    assert [path.name for path in paths] == ["a-focal-best.yaml", "b-focal-best.yaml"]
    with pytest.raises(SweepError) as caught:
        write_specs(specs("a", "b"), tmp_path / "none.yaml")
    assert str(caught.value) == several_specs(2)
