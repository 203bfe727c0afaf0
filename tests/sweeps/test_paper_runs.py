"""The paper's protocol as specs: every one parses and plans, and what is changed is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dashboards.paper.protocol import protocol_differences
from dashboards.paper_numbers import paper_datasets, paper_protocol
from storage.frames import load_sweep
from storage.records import SweepInfo
from storage.store import Store
from sweeps import paper_runs
from sweeps.errors import SweepError
from sweeps.paper_runs import PAPER_DATASETS, paper_overrides, paper_spec
from sweeps.plan import make_plan
from sweeps.spec import SweepSpec, load_spec
from sweeps.spec_text import parse_override


def load(dataset: str, **options: Any) -> SweepSpec:
    changes = [parse_override(text) for text in paper_overrides(dataset, **options)]
    return load_spec(paper_spec(dataset), changes)


def as_stored(spec: SweepSpec) -> SweepInfo:
    """What the store would say of a sweep of this spec, without its data."""
    any_time: Any = None
    return SweepInfo(
        name=spec.sweep, spec=spec.to_plain(), spec_hash="", identity={},
        dataset=spec.data["dataset"], encoder=spec.encoder["name"], dataset_fingerprint="",
        features_info={}, objective=spec.to_plain()["objective"], metrics=[], thresholds=[],
        sweep_id=1, created_at=any_time, updated_at=any_time,
    )  # fmt: skip


@pytest.mark.parametrize("dataset", PAPER_DATASETS)
def test_every_spec_plans_the_papers_protocol_without_data(dataset: str) -> None:
    spec = load_spec(paper_spec(dataset))
    plan = make_plan(spec)
    protocol = paper_protocol()
    assert tuple(plan.losses) == protocol.losses
    assert plan.losses["sigmoid_f1"].n_cells == 150
    assert plan.n_replicates == 154 * protocol.seeds
    known = next(one for one in paper_datasets() if one.name == dataset)
    found = {one.what for one in protocol_differences(as_stored(spec), known, plan.losses)}
    # b = 1000 cannot be literal there; the paper has no number of views.
    assert found == ({"least examples of a class, b"} if dataset == "arxiv2020" else set())


def test_the_datasets_are_the_papers_and_each_has_its_spec() -> None:
    assert set(PAPER_DATASETS) == {one.name for one in paper_datasets()}
    folder = paper_spec("voc2007").parent
    assert {path.stem for path in folder.glob("*.yaml")} >= set(PAPER_DATASETS)


def test_another_encoder_goes_into_name_description_and_differences() -> None:
    root = Path("a folder: with, signs")
    spec = load("cancer_hallmarks", root=root, encoder="weights:./x/mobile net.pth")
    assert spec.sweep == "paper-cancer_hallmarks-mobile-net"
    assert spec.data["root"] == str(root)
    assert spec.encoder["name"] == "weights:./x/mobile net.pth"
    assert "encoder mobile net.pth instead of hf:distilbert" in spec.description
    known = next(one for one in paper_datasets() if one.name == "cancer_hallmarks")
    (found,) = protocol_differences(as_stored(spec), known, spec.losses)
    assert (found.what, found.here) == ("encoder", "mobile net.pth")
    assert "DistilBERT" in found.paper
    more = load("cancer_hallmarks", changed=["training.lr", "data.limit", "training.lr"])
    assert more.description == "The paper's protocol; changed: training.lr, data.limit."
    # The paper's own encoder, named, is no change.
    own = load("cancer_hallmarks", encoder=known.encoder_name)
    assert own.sweep == "paper-cancer_hallmarks"


@pytest.mark.parametrize("dataset", PAPER_DATASETS)
def test_quick_is_smaller_and_says_so(dataset: str) -> None:
    spec = load(dataset, quick=True)
    plan = make_plan(spec)
    assert spec.sweep == f"paper-{dataset}-quick"
    assert plan.n_replicates == (15 + 4) * 2
    assert spec.data["limit"] == 2000
    assert "quick: 2 seeds, 15 cells of sigmoid_f1, at most 2000 examples" in spec.description
    known = next(one for one in paper_datasets() if one.name == dataset)
    found = {one.what: one for one in protocol_differences(as_stored(spec), known, spec.losses)}
    assert (found["seeds"].paper, found["seeds"].here) == ("5", "2")
    if dataset == "movie_posters":
        assert found["least examples of a class, b"].here == "50"
        assert "b = 50" in spec.description


def test_what_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SweepError, match=r"Unknown dataset of the paper 'voc'\. .*voc2007"):
        paper_spec("voc")
    monkeypatch.setattr(paper_runs, "_FOLDERS", (tmp_path,))
    with pytest.raises(SweepError, match=r"voc2007\.yaml must be in .*, but is not"):
        paper_spec("voc2007")


def test_the_command_plans_what_it_would_run(sigmoidf1: Callable[..., Any]) -> None:
    asked = ("paper", "run", "--dataset", "cancer_hallmarks", "--dry-run", "--json")
    planned = sigmoidf1(*asked, "--quick", "--encoder", "minilm", "--set", "training.epochs=3")
    assert planned.returncode == 0, planned.stderr
    rows = {row["loss"]: row for row in json.loads(planned.stdout)}
    assert rows["sigmoid_f1"]["sweep"] == "paper-cancer_hallmarks-minilm-quick"
    assert rows["sigmoid_f1"]["replicates"] == 30
    named = sigmoidf1(*asked, "--name", "mine")
    assert {row["sweep"] for row in json.loads(named.stdout)} == {"mine"}
    assert sigmoidf1("paper", "run", "--dataset", "voc").returncode == 2


@pytest.fixture
def small(tmp_path: Path, features_file: Path, run_locally: Any) -> str:
    """A store with one small sweep of ready features."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    path = tmp_path / "small.yaml"
    path.write_text(
        f"sweep: small\ndata: {{dataset: features, path: {json.dumps(str(features_file))}}}\n"
        "training: {epochs: 1}\nseeds: 2\nkeep: none\n"
        "losses: {bce: {}, sigmoid_f1: {beta: [1, 5], eta: [0, 1]}}\n",
        encoding="utf-8",
    )
    run_locally(load_spec(path), url)
    return url


def test_a_stored_sweep_names_its_machine_and_the_time_of_embedding(small: str) -> None:
    with Store.open(small, read_only=True) as store:
        provenance = load_sweep(store, "small").provenance
    assert provenance["embedding_s"] == 0.0
    assert provenance["machine"]["cores"] >= 1
    assert provenance["machine"]["processor"]


def test_show_lists_prints_and_writes(
    small: str, sigmoidf1: Callable[..., Any], tmp_path: Path
) -> None:
    listed = sigmoidf1("paper", "show")
    assert listed.returncode == 0
    assert all(name in listed.stdout for name in ("table2", "table8", "figure2", "figure8"))

    asked = ("paper", "show", "--store", small, "--sweep", "cancer_hallmarks=small")
    printed = sigmoidf1(*asked, "table7", "--dataset", "cancer_hallmarks")
    assert printed.returncode == 0, printed.stderr
    assert "Here: sweep small" in printed.stdout
    assert "dataset features (paper: cancer_hallmarks)" in " ".join(printed.stdout.split())
    assert "here: not in the sweep" in printed.stdout
    for ending, sign in ((".md", "| loss |"), (".tex", r"\begin{tabular}"), (".html", "<table>")):
        path = tmp_path / f"table{ending}"
        written = sigmoidf1(*asked, "table7", "-o", path)
        assert written.returncode == 0, written.stderr
        assert sign in path.read_text(encoding="utf-8")
    numbers = sigmoidf1(*asked, "figure3", "--dataset", "cancer_hallmarks")
    assert numbers.returncode == 0, numbers.stderr
    assert "sweep,loss" in numbers.stdout
    picture = tmp_path / "figure3.csv"
    written = sigmoidf1(*asked, "figure3", "--dataset", "cancer_hallmarks", "-o", picture)
    assert written.returncode == 0, written.stderr
    assert picture.read_text(encoding="utf-8").startswith("sweep,loss")

    for arguments, status, said in (
        (("table9",), 2, "neither a table nor a figure"),
        (("figure3", "--format", "md"), 2, "file's ending"),
        (("figure3", "--dataset", "voc2007"), 1, "paper run --dataset voc2007"),
        (("figure3", "--dataset", "cancer_hallmarks", "-o", tmp_path / "x.gif"), 1, "gif"),
        (("table3", "--sweep", "small"), 1, "which the paper does not have"),
        (("table3", "--dataset", "films"), 1, "one of the paper's"),
    ):
        refused = sigmoidf1(*asked, *arguments)
        assert refused.returncode == status
        assert refused.stderr.count("\n") == 1
        assert said in refused.stderr
