"""Packs: whole tiles, nothing lost, nothing twice, only compatible heads together."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from storage.records import CellRecord, OpenReplicate
from sweeps.packs import PackLimits, make_packs


def cell(ordinal: int, *, epochs: int = 5, lr: float = 1e-3) -> CellRecord:
    return CellRecord(
        key=f"cell{ordinal}",
        loss="bce",
        hyperparameters={},
        training={
            "epochs": epochs,
            "batch_size": 8,
            "lr": lr,
            "weight_decay": 0.0,
            "optimizer": "adam",
        },
        head={"kind": "linear"},
        ordinal=ordinal,
        parameters={},
    )


def limits(**changes: int) -> PackLimits:
    values = {"tile_heads": 4, "workers": 2, "max_heads": 10**6} | changes
    return PackLimits(**values)


def open_replicates(cells: list[CellRecord], seeds: int) -> list[OpenReplicate]:
    numbered = enumerate((c.key, seed) for c in cells for seed in range(seeds))
    return [OpenReplicate(index, key, seed) for index, (key, seed) in numbered]


@given(
    num_cells=st.integers(1, 40),
    seeds=st.integers(1, 4),
    tile_heads=st.integers(1, 9),
    workers=st.integers(1, 8),
    max_heads=st.integers(1, 100),
    missing=st.sets(st.integers(0, 150)),
)
def test_every_open_replicate_is_in_one_pack(
    num_cells, seeds, tile_heads, workers, max_heads, missing
):
    cells = [cell(i, epochs=5 + i % 2) for i in range(num_cells)]
    replicates = [r for r in open_replicates(cells, seeds) if r.replicate_id not in missing]
    packs = make_packs(
        replicates,
        {c.key: c for c in cells},
        limits(tile_heads=tile_heads, workers=workers, max_heads=max_heads),
    )
    packed = Counter(replicate for pack in packs for replicate, _, _ in pack.replicates)
    assert packed == Counter(r.replicate_id for r in replicates)
    names = {r.replicate_id: (r.cell_key, r.seed) for r in replicates}
    for pack in packs:
        assert {c.training["epochs"] for c in pack.cells} == {pack.settings["epochs"]}
        for replicate, index, seed in pack.replicates:
            assert names[replicate] == (pack.cells[index].key, seed)


def test_learning_rates_share_a_pack_and_epochs_do_not():
    cells = [cell(0, lr=1e-3), cell(1, lr=1e-2), cell(2, epochs=9)]
    packs = make_packs(open_replicates(cells, 1), {c.key: c for c in cells}, limits())
    assert [[c.ordinal for c in pack.cells] for pack in packs] == [[0, 1], [2]]
    assert "lr" not in packs[0].settings


def test_a_tile_holds_neighbouring_cells_of_one_seed():
    cells = [cell(i) for i in range(8)]
    packs = make_packs(open_replicates(cells, 2), {c.key: c for c in cells}, limits(workers=1))
    tiles = [
        (seed, pack.cells[index].ordinal) for pack in packs for _, index, seed in pack.replicates
    ]
    assert tiles == [(s, o) for start in (0, 4) for s in (0, 1) for o in range(start, start + 4)]


def test_memory_limits_a_pack():
    cells = [cell(i) for i in range(400)]
    packs = make_packs(
        open_replicates(cells, 3), {c.key: c for c in cells}, limits(workers=1, max_heads=9)
    )
    assert max(len(pack.replicates) for pack in packs) == 8  # two tiles of four


def test_more_packs_than_workers_so_that_the_last_end_together():
    cells = [cell(i) for i in range(400)]
    packs = make_packs(open_replicates(cells, 3), {c.key: c for c in cells}, limits())
    assert len(packs) >= 2 * 4
