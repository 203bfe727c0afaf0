"""Packs: whole tiles, nothing lost, nothing twice, only compatible heads together."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from storage.records import CellRecord, OpenReplicate
from sweeps.packs import MAX_PACK_S, PackLimits, PackTask, Throughput, group_key, halve, make_packs


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


def limits(**changes: Any) -> PackLimits:
    values = {"tile_heads": 4, "max_heads": 10**6} | changes
    return PackLimits(**values)


def packs_of(
    cells: list[CellRecord], replicates: list[OpenReplicate], limits: PackLimits, workers: int = 2
) -> list[PackTask]:
    by_key = {c.key: c for c in cells}
    return list(make_packs(replicates, by_key, limits, Throughput(workers)))


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
    packs = packs_of(cells, replicates, limits(tile_heads=tile_heads, max_heads=max_heads), workers)
    packed = Counter(replicate for pack in packs for replicate, _, _ in pack.replicates)
    assert packed == Counter(r.replicate_id for r in replicates)
    names = {r.replicate_id: (r.cell_key, r.seed) for r in replicates}
    for pack in packs:
        assert {c.training["epochs"] for c in pack.cells} == {pack.settings["epochs"]}
        for replicate, index, seed in pack.replicates:
            assert names[replicate] == (pack.cells[index].key, seed)


def test_learning_rates_share_a_pack_and_epochs_do_not():
    cells = [cell(0, lr=1e-3), cell(1, lr=1e-2), cell(2, epochs=9)]
    packs = packs_of(cells, open_replicates(cells, 1), limits())
    assert [[c.ordinal for c in pack.cells] for pack in packs] == [[0, 1], [2]]
    assert "lr" not in packs[0].settings


def test_a_tile_holds_neighbouring_cells_of_one_seed():
    cells = [cell(i) for i in range(8)]
    packs = packs_of(cells, open_replicates(cells, 2), limits(), workers=1)
    tiles = [
        (seed, pack.cells[index].ordinal) for pack in packs for _, index, seed in pack.replicates
    ]
    assert tiles == [(s, o) for start in (0, 4) for s in (0, 1) for o in range(start, start + 4)]


def test_memory_limits_a_pack():
    cells = [cell(i) for i in range(400)]
    packs = packs_of(cells, open_replicates(cells, 3), limits(max_heads=9), workers=1)
    assert max(len(pack.replicates) for pack in packs) == 8  # two tiles of four


def test_packs_get_smaller_to_single_tiles_so_that_the_last_end_together():
    cells = [cell(i) for i in range(400)]
    packs = packs_of(cells, open_replicates(cells, 3), limits(), workers=4)
    sizes = [len(pack.replicates) for pack in packs]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 1200 // (3 * 4)
    assert sizes[-8:] == [4] * 8  # twice as many single tiles as workers
    assert len(sizes) < 60


def test_what_trains_longest_comes_first():
    cells = [cell(0, epochs=5), cell(1, epochs=500), cell(2, epochs=50)]
    work = {group_key(c): float(c.training["epochs"]) for c in cells}
    packs = packs_of(cells, open_replicates(cells, 2), limits(work=work))
    assert [pack.settings["epochs"] for pack in packs] == [500, 500, 50, 50, 5, 5]
    assert [pack.work for pack in packs] == [500, 500, 50, 50, 5, 5]


def test_workers_that_join_get_smaller_packs():
    cells = [cell(i) for i in range(1000)]
    throughput = Throughput(workers=1)
    packs = make_packs(open_replicates(cells, 1), {c.key: c for c in cells}, limits(), throughput)
    first = len(next(packs).replicates)
    throughput.workers = 10
    second = len(next(packs).replicates)
    assert (first, second) == (332, 20)  # whole tiles of a third, then of a thirtieth


def test_a_pack_takes_ten_minutes_at_most_once_the_speed_is_known():
    cells = [cell(i) for i in range(1000)]
    throughput = Throughput(workers=1, work_per_s=20 / MAX_PACK_S)
    packs = list(
        make_packs(open_replicates(cells, 1), {c.key: c for c in cells}, limits(), throughput)
    )
    assert max(pack.work for pack in packs) == 20


def test_on_a_gpu_fewer_tiles_than_workers_are_divided():
    cells = [cell(i) for i in range(30)]
    on_gpu = limits(tile_heads=100, divisible=True)
    packs = packs_of(cells, open_replicates(cells, 1), on_gpu, workers=8)
    assert [len(pack.replicates) for pack in packs] == [4] * 7 + [2]
    # On a CPU a tile is trained whole, for the same bits.
    (pack,) = packs_of(cells, open_replicates(cells, 1), limits(tile_heads=100), workers=8)
    assert len(pack.replicates) == 30


def test_halves_divide_the_work():
    cells = [cell(i) for i in range(6)]
    (pack, *_) = packs_of(cells, open_replicates(cells, 1), limits(tile_heads=6), workers=1)
    assert [half.work for half in halve(pack)] == [3, 3]
