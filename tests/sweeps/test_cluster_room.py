"""Room in a cluster without Ray: packs by node, fair shares, versions, what is sent."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.cluster.capacity import PackNeeds, pack_memory_bytes, packs_that_fit
from sweeps.cluster.package import STORE_FILE, STORE_MODULE, make_package, write_store_module
from sweeps.cluster.shipping import JOB_VARIABLE, ships_code
from sweeps.cluster.versions import VersionCheck, compare, read_versions
from sweeps.errors import SweepError
from sweeps.packs import Throughput
from sweeps.scheduling.fairness import Demand, ShareBoard, Shares, fair_packs
from sweeps.scheduling.room import SharedRoom
from sweeps.spec import load_spec, parse_spec


def node(*, alive: bool = True, **resources: float) -> dict[str, object]:
    return {"Alive": alive, "Resources": resources}


def test_packs_fit_into_nodes_and_not_between_them():
    nodes = [node(CPU=3.0), node(CPU=3.0), node(CPU=8.0, alive=False)]
    assert packs_that_fit(nodes, PackNeeds(cpus=2, gpus=0)) == 2
    assert packs_that_fit(nodes, PackNeeds(cpus=0.5, gpus=0)) == 12
    assert packs_that_fit(nodes, PackNeeds(cpus=1, gpus=1)) == 0
    gpus = [node(CPU=16.0, GPU=2.0), node(CPU=64.0)]
    assert packs_that_fit(gpus, PackNeeds(cpus=1, gpus=1 / 3)) == 6
    assert packs_that_fit(gpus, PackNeeds(cpus=4, gpus=0.25)) == 4


def test_a_packs_memory_is_its_part_of_the_tightest_node():
    nodes = [node(CPU=4.0, memory=400.0), node(CPU=2.0, memory=100.0), node(memory=1.0)]
    assert pack_memory_bytes(nodes, PackNeeds(cpus=1, gpus=0)) == 50
    assert pack_memory_bytes([node(memory=9.0)], PackNeeds(cpus=1, gpus=0)) is None


@pytest.mark.parametrize(
    ("demands", "expected"),
    [
        ([(8, 8)], [8]),
        ([(64, 8)], [64]),  # alone, a run may ask for more than there is, so that it comes
        ([(8, 8), (8, 8)], [4, 4]),
        ([(8, 8), (2, 8), (8, 8)], [3, 2, 3]),
        ([(64, 8), (8, 8)], [4, 4]),
        # A pack of a whole GPU and one of a quarter: half of the cluster each.
        ([(4, 4), (16, 16)], [2, 8]),
        # More runs than room: everyone has one pack, some of which wait.
        ([(2, 2), (2, 2), (2, 2)], [1, 1, 1]),
    ],
)
def test_fair_shares(demands, expected):
    named = {str(k): Demand(*demand) for k, demand in enumerate(demands)}
    assert list(fair_packs(named).values()) == expected


@given(
    fits=st.integers(1, 200),
    wanted=st.lists(st.integers(1, 300), min_size=2, max_size=8),
)
def test_shares_are_max_min_fair(fits, wanted):
    given = fair_packs({str(k): Demand(packs, fits) for k, packs in enumerate(wanted)})
    packs = list(given.values())
    assert all(1 <= got <= want for got, want in zip(packs, wanted, strict=True))
    assert sum(packs) <= max(fits, len(wanted))
    # Nothing is left over while somebody wants it.
    assert sum(packs) >= min(fits, sum(wanted))
    # Who has less than others has all that it wanted, but for the remainder of the division.
    for got, want in zip(packs, wanted, strict=True):
        assert got == want or got >= max(packs) - 1


def test_the_board_forgets_runs_that_do_not_ask(monkeypatch):
    board, now = ShareBoard(), [0.0]
    monkeypatch.setattr("sweeps.scheduling.fairness.time.monotonic", lambda: now[0])
    assert board.ask("a", Demand(8, 8)) == 8
    assert board.ask("b", Demand(8, 8)) == 4
    assert board.ask("a", Demand(8, 8)) == 4
    now[0] = 15.0
    assert board.ask("a", Demand(8, 8)) == 4
    now[0] = 30.0  # nothing of b for half a minute
    assert board.ask("a", Demand(8, 8)) == 8
    board.ask("c", Demand(8, 8))
    board.leave("a")
    assert board.ask("c", Demand(8, 8)) == 8


def test_versions_that_differ_are_named_with_what_to_do():
    ours = read_versions()
    assert set(ours) == {"code", "python", "torch", "ray", "numpy", "numba"}
    compare(ours, dict(ours), "node-a")
    with pytest.raises(SweepError, match=r"node node-b torch is .* here and 1\.2\.3 there\. Use"):
        compare(ours, {**ours, "torch": "1.2.3"}, "node-b")
    with pytest.raises(SweepError, match=r"sigmoidf1-sweeps is .* and missing there.*--ship-code"):
        compare(ours, {**ours, "code": "missing"}, "node-b")


class Nodes:
    """Nodes of a cluster that answer when they are told to, in place of Ray."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.answers: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.timeouts: list[float] = []
        self.now = 0.0
        monkeypatch.setattr("ray.nodes", self.nodes)
        monkeypatch.setattr("ray.wait", self.wait)
        monkeypatch.setattr("ray.get", self.answers.__getitem__)
        monkeypatch.setattr("sweeps.cluster.versions._ask", self.ask)
        monkeypatch.setattr("sweeps.cluster.versions.time.monotonic", lambda: self.now)

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeID": n, "NodeManagerHostname": n, "Alive": True} for n in self.names]

    def ask(self, name: str) -> str:
        self.asked.append(name)
        return name

    def wait(
        self, references: list[str], *, num_returns: int, timeout: float
    ) -> tuple[list[str], list[str]]:
        assert num_returns == len(references)
        self.timeouts.append(timeout)
        return [r for r in references if r in self.answers], []


def test_nodes_that_join_late_are_not_waited_for(monkeypatch, caplog):
    ours = read_versions()
    nodes = Nodes(monkeypatch)
    nodes.names, nodes.answers["a"] = ["a"], ours
    check = VersionCheck("cluster:6379")
    check.check()
    nodes.names = ["a", "b", "c"]
    with caplog.at_level(logging.WARNING):
        check.check()
        nodes.now = 121.0
        nodes.answers["b"] = ours
        check.check()
        check.check()
    assert nodes.timeouts[0] > 0
    assert set(nodes.timeouts[1:]) == {0}
    assert sorted(nodes.asked) == ["a", "b", "c"]
    assert [r.getMessage().startswith("Node c has joined") for r in caplog.records] == [True]
    nodes.answers["c"] = {**ours, "torch": "1.2.3"}
    with pytest.raises(SweepError, match=r"on node c torch is .* here and 1\.2\.3 there"):
        check.check()
    check.check()  # told once


def test_a_node_that_does_not_answer_at_the_start_is_refused(monkeypatch):
    nodes = Nodes(monkeypatch)
    nodes.names = ["a"]
    with pytest.raises(SweepError, match=r"must start a worker, but a did not: no answer within"):
        VersionCheck("cluster:6379").check()


def test_the_most_packs_at_once_are_remembered_when_fewer_run_at_the_end(monkeypatch):
    there = [{**node(CPU=4.0), "Alive": True}]
    monkeypatch.setattr("ray.nodes", lambda: there)
    monkeypatch.setattr(Shares, "ask", lambda _self, demand: demand.packs)
    room = SharedRoom(PackNeeds(cpus=1, gpus=0), None, Shares("ann"))
    throughput = Throughput(room.packs)
    for running, starved in ((3, False), (6, False), (1, True), (0, True)):
        room.refresh(throughput, running=running, starved=starved)
    assert throughput.workers == 1
    assert room.most_at_once == 4  # of six, two waited for a place


def test_code_is_sent_from_a_source_tree_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv(JOB_VARIABLE, raising=False)
    assert ships_code(None) is True
    assert ships_code(False) is False
    monkeypatch.setenv(JOB_VARIABLE, "{}")  # the job was submitted with what it needs
    assert ships_code(True) is False


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def spec_of(**data: str):
    return parse_spec(
        {
            "sweep": "sent",
            "data": {"dataset": "csv", **data},
            "encoder": {"name": "minilm"},
            "seeds": 2,
            "losses": {"bce": {}, "focal": {"gamma": {"range": [0.00001, 2], "num": 3}}},
        }
    )


def test_a_package_holds_the_spec_and_its_files(here, tmp_path):
    (here / "data").mkdir()
    (here / "data" / "films.csv").write_text("id,text\n", encoding="utf-8")
    job = tmp_path / "job"
    job.mkdir()
    spec = spec_of(path="data/films.csv")
    package = make_package(spec, job, with_code=True)
    assert (package.sent, package.shared) == (["data/films.csv"], [])
    assert (job / "data" / "films.csv").read_text(encoding="utf-8") == "id,text\n"
    assert (job / "sweeps" / "cluster" / "job.py").is_file()
    assert not list(job.rglob("__pycache__"))
    assert load_spec(job / "sweep.yaml").to_plain() == spec.to_plain()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"path": "missing.csv"}, "missing.csv is not in"),
        ({"path": "../outside.csv"}, "leads out of it"),
        ({"root": "..", "path": "outside.csv"}, "leads out of it"),
    ],
)
def test_what_cannot_be_sent_is_said(here, tmp_path, data, message):
    (tmp_path / "outside.csv").write_text("", encoding="utf-8")
    with pytest.raises(SweepError, match=message):
        make_package(spec_of(**data), tmp_path, with_code=False)


@pytest.mark.parametrize(
    "path", ["storage/films.csv", "sweeps/films.csv", "./dashboards/films.csv", "sweep.yaml"]
)
def test_data_with_the_name_of_a_part_of_the_job_are_refused(here, tmp_path, path):
    (here / path).parent.mkdir(exist_ok=True)
    (here / path).write_text("id,text\n", encoding="utf-8")
    job = tmp_path / "job"
    job.mkdir()
    name = Path(path).parts[0]
    with pytest.raises(SweepError, match=f"like a part of its job, but got {name} in .*Move"):
        make_package(spec_of(path=path), job, with_code=True)


def test_absolute_paths_must_be_on_the_nodes_and_large_files_too(here, tmp_path, monkeypatch):
    job = tmp_path / "job"
    job.mkdir()
    package = make_package(spec_of(root="/shared/films", path="a.csv"), job, with_code=False)
    assert (package.sent, package.shared) == ([], ["/shared/films/a.csv"])
    (here / "big.csv").write_bytes(b"x" * 2**20)
    monkeypatch.setattr("sweeps.cluster.package.MAX_BYTES", 2**19)
    with pytest.raises(SweepError, match=r"at most 0 MiB, but big\.csv have 1"):
        make_package(spec_of(path="big.csv"), job, with_code=False)


def test_the_stores_url_goes_in_a_file_for_its_owner_alone(tmp_path):
    module = write_store_module(tmp_path, "postgresql://ann:secret@db/sweeps")
    file = module / STORE_FILE
    assert module.name == STORE_MODULE
    assert file.read_text(encoding="utf-8") == "postgresql://ann:secret@db/sweeps"
    assert (file.stat().st_mode & 0o777, module.stat().st_mode & 0o777) == (0o600, 0o700)
    second = tmp_path / "again"
    second.mkdir()
    again = write_store_module(second, "postgresql://ann:secret@db/sweeps")
    assert (again / "salt").read_bytes() != (module / "salt").read_bytes()
