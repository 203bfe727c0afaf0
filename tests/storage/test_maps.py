from __future__ import annotations

import numpy as np
import pytest

from storage import frames, maps
from storage.errors import RecordError, StoreCorruptError, SweepNotFoundError
from storage.maps import AGGREGATES, map_arrays
from storage.places import Places, decode_many_places, decode_places, encode_places, void_places

PANDAS = {"sd": "std", "n": "count"}


@pytest.fixture
def swept(store, make_sweep, make_cells, make_result):
    """Two losses in shared packs, uneven seeds, every state, a score that is not a number."""
    sweep_id = store.put_sweep(make_sweep())
    cells = [*make_cells(), *make_cells(betas=(3.0,), loss="unbounded_f1")]
    store.plan(sweep_id, cells, [3, 5, 2**40])
    store.add_replicates(sweep_id, [(cells[0].key, seed) for seed in range(10, 30)])
    ids = [r.replicate_id for r in store.open_replicates(sweep_id)]
    store.claim(ids, "a", 60)
    order = np.random.default_rng(0).permutation(ids[:-6])
    for k, part in enumerate(np.array_split(order, 4)):
        states = ["complete", "diverged", *["complete"] * (len(part) - 3), "pruned"]
        result = make_result(part.tolist(), states=states, reasons=[None] * len(part), rng_seed=k)
        result.slices["test", "micro_f1"][2, :] = np.nan
        store.record_pack(sweep_id, result, "a")
    store.fail(ids[-6:-4], "a", "died")
    store.release("a")
    store.set_cell_status(sweep_id, [cells[1].key, cells[4].key], "raced_out", {"round": 1})
    return sweep_id


def expected(store, loss, aggregate, **options):
    scores = frames.load_scores(store, "movies", losses=[loss], **options)
    cells = frames.load_cells(store, "movies", losses=[loss])["cell_id"]
    complete = scores[scores["state"] == "complete"].groupby("cell_id")["value"]
    found = getattr(complete, PANDAS.get(aggregate, aggregate))().reindex(cells)
    return (found.fillna(0) if aggregate == "n" else found).to_numpy(float)


@pytest.mark.parametrize("loss", ["sigmoid_f1", "unbounded_f1"])
def test_equals_the_frame_of_scores_aggregated(store, swept, loss):
    for split, metric, threshold in (
        ("validation", "map", None),
        ("test", "micro_f1", None),
        ("test", "micro_f1", 0.01),
        ("test", "micro_f1", 0.995),
        ("validation", "weighted_f1", 0.99),
    ):
        options = {"split": split, "metric": metric, "threshold": threshold}
        for aggregate in AGGREGATES:
            found = map_arrays(store, "movies", loss=loss, aggregate=aggregate, **options)
            want = expected(store, loss, aggregate, **options)
            np.testing.assert_allclose(found.aggregated, want, rtol=0, atol=1e-12)
            np.testing.assert_array_equal(found.n, expected(store, loss, "n", **options))


def test_median_of_cells_with_very_uneven_seeds(store, swept, monkeypatch):
    options = {"split": "validation", "metric": "map"}
    found = map_arrays(store, "movies", loss="sigmoid_f1", aggregate="median", **options)
    monkeypatch.setattr(maps, "_LARGEST_SHARE", 0)
    sorted_once = map_arrays(store, "movies", loss="sigmoid_f1", aggregate="median", **options)
    np.testing.assert_array_equal(found.aggregated, sorted_once.aggregated)


def test_cells_states_and_marks(store, swept):
    found = map_arrays(store, "movies", loss="sigmoid_f1", split="test", metric="micro_f1")
    cells = frames.load_cells(store, "movies", losses=["sigmoid_f1"])
    assert found.cell_ids.tolist() == cells["cell_id"].tolist()
    assert found.ordinals.tolist() == cells["ordinal"].tolist()
    betas = [found.values["beta"][code] for code in found.codes["beta"]]
    assert betas == cells["param_beta"].tolist()
    assert found.status == {int(found.cell_ids[1]): "raced_out"}
    states = frames.load_replicates(store, "movies", losses=["sigmoid_f1"])
    states["state"] = states["state"].replace({"waiting": "open", "running": "open"})
    for state, counts in found.counts.items():
        own = states[states["state"] == state].groupby("cell_id").size()
        assert counts.tolist() == own.reindex(cells["cell_id"], fill_value=0).tolist()


def test_retried_replicates_leave_the_map(store, swept, make_result):
    options = {"loss": "sigmoid_f1", "split": "validation", "metric": "map"}
    before = map_arrays(store, "movies", **options)
    n_diverged = store.counts(swept)["diverged"]
    assert store.retry(swept, ("diverged",)) == n_diverged
    after = map_arrays(store, "movies", **options)
    assert after.counts["diverged"].sum() == 0
    assert after.counts["open"].sum() > before.counts["open"].sum()
    np.testing.assert_array_equal(after.aggregated, before.aggregated)
    ids = [r.replicate_id for r in store.open_replicates(swept)]
    store.claim(ids, "b", 60)
    store.record_pack(swept, make_result(ids, rng_seed=9), "b")
    want = expected(store, "sigmoid_f1", "mean", split="validation", metric="map")
    found = map_arrays(store, "movies", **options)
    np.testing.assert_allclose(found.aggregated, want, atol=1e-12)


def test_nothing_finished_and_nothing_known(store, make_sweep, make_cells):
    sweep_id = store.put_sweep(make_sweep())
    store.plan(sweep_id, make_cells(), [0])
    for aggregate in AGGREGATES:
        found = map_arrays(
            store, "movies", loss="sigmoid_f1", split="test", metric="map", aggregate=aggregate
        )
        empty = 0.0 if aggregate == "n" else np.nan
        np.testing.assert_array_equal(found.aggregated, [empty] * 4)
        assert found.counts["open"].tolist() == [1] * 4
    other = map_arrays(store, "movies", loss="bce", split="test", metric="map")
    assert other.cell_ids.size == other.aggregated.size == 0
    good = {"loss": "sigmoid_f1", "split": "test", "metric": "map"}
    for change, pattern in (
        ({"aggregate": "means"}, "Did you mean 'mean'"),
        ({"metric": "maps"}, "Did you mean 'map'"),
        ({"split": "tests"}, "Did you mean 'test'"),
    ):
        with pytest.raises(RecordError, match=pattern):
            map_arrays(store, "movies", **good | change)
    with pytest.raises(SweepNotFoundError):
        map_arrays(store, "moves", **good)


def test_places_go_and_come_back():
    cell_ids, seeds = [2**33, 2**33 + 5, 2**33], [7, 2**62, 0]
    data = encode_places(cell_ids, seeds, ["complete", "pruned", "failed"])
    found = decode_places(data)
    assert isinstance(found, Places)
    assert found.cell_ids.tolist() == cell_ids
    assert found.seeds[found.seed_codes].tolist() == seeds
    assert found.states.tolist() == [0, 3, 2]
    assert decode_places(void_places(data, [1])).states.tolist() == [0, 255, 2]
    other = encode_places([1], [7], ["diverged"])
    many = decode_many_places([data, other])
    assert many.sizes == [3, 1]
    assert many.cell_ids.tolist() == [*cell_ids, 1]
    assert many.seeds[many.seed_codes].tolist() == [*seeds, 7]
    assert many.states.tolist() == [0, 3, 2, 1]
    for damaged in (data[:-1], data + b"x", b"", data[:10]):
        for decode in (decode_places, lambda d: decode_many_places([other, d])):
            with pytest.raises(StoreCorruptError, match="restore it from a backup"):
                decode(damaged)
