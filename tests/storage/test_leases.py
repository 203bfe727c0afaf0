from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from storage.errors import LeaseLostError, RecordError

CLAIMER = """
import json, sys, time
from storage.store import Store
url, owner = sys.argv[1:]
with Store.open(url) as store:
    sweep_id = store.sweep_id("movies")
    ids = [r.replicate_id for r in store.open_replicates(sweep_id)]
    if owner == "b":
        ids.reverse()  # the two meet in the middle, whoever is faster
    print("ready", flush=True)
    sys.stdin.readline()
    taken = []
    for k in range(0, len(ids), 7):
        taken += store.claim(ids[k:k + 7], owner, 60)
        time.sleep(0.002)
print(json.dumps(taken))
"""


@pytest.fixture
def planned(store, make_sweep, make_cells):
    sweep_id = store.put_sweep(make_sweep())
    store.plan(sweep_id, make_cells(), [0, 1, 2])
    return sweep_id, [r.replicate_id for r in store.open_replicates(sweep_id)]


def test_claimed_replicates_are_nobody_elses(store, planned):
    sweep_id, ids = planned
    assert store.claim(ids[3:6], "a", 60) == ids[3:6]
    assert store.claim(ids[:5][::-1], "b", 60) == ids[:3][::-1]
    assert store.claim([*ids[:6], 999_999], "c", 60) == []
    assert [r.replicate_id for r in store.open_replicates(sweep_id)] == ids[6:]
    assert store.counts(sweep_id)["running"] == 6
    assert store.claim([], "c", 60) == []


def test_expired_lease_is_open_to_others(store, planned, make_result):
    sweep_id, ids = planned
    store.claim(ids[:2], "slow", 0.05)
    time.sleep(0.1)
    assert store.counts(sweep_id)["running"] == 0
    assert len(store.open_replicates(sweep_id)) == len(ids)
    assert store.claim(ids[:1], "fast", 60) == ids[:1]
    with pytest.raises(LeaseLostError) as caught:
        store.record_pack(sweep_id, make_result(ids[:2]), "slow")
    assert caught.value.replicate_ids == ids[:1]
    assert store.counts(sweep_id)["complete"] == 0
    # What nobody took is still good: nothing trained is lost.
    store.record_pack(sweep_id, make_result(ids[:2]).without(caught.value.replicate_ids), "slow")
    assert store.counts(sweep_id)["complete"] == 1


def test_renewed_lease_lasts(store, planned):
    sweep_id, ids = planned
    store.claim(ids[:3], "a", 0.3)
    assert store.renew("a", 60) == 3
    time.sleep(0.35)
    assert store.claim(ids[:3], "b", 60) == []
    assert store.renew("nobody", 60) == 0
    assert store.counts(sweep_id)["running"] == 3


def test_release_gives_back_at_once(store, planned):
    sweep_id, ids = planned
    store.claim(ids[:3], "a", 60)
    store.claim(ids[3:4], "b", 60)
    assert store.release("a") == 3
    assert store.release("a") == 0
    assert store.counts(sweep_id)["running"] == 1
    assert store.claim(ids[:4], "c", 60) == ids[:3]


@pytest.mark.parametrize(("owner", "lease_s"), [("", 1), ("x" * 201, 1), ("a", 0), ("a", -1)])
def test_bad_claims_are_refused(store, planned, owner, lease_s):
    with pytest.raises(RecordError):
        store.claim(planned[1], owner, lease_s)
    with pytest.raises(RecordError):
        store.claim(planned[1], "a", float("nan"))


def test_two_processes_never_obtain_the_same_replicate(store, store_url, make_sweep, make_cells):
    sweep_id = store.put_sweep(make_sweep())
    store.plan(sweep_id, make_cells(betas=range(1, 21), etas=range(7)), range(5))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIMER, store_url, owner],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for owner in ("a", "b")
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    taken = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert not set(taken[0]) & set(taken[1])
    assert len(taken[0]) + len(taken[1]) == 700
    assert min(len(part) for part in taken) > 0
    assert store.counts(sweep_id)["running"] == 700
    assert (store.release("a"), store.release("b")) == (len(taken[0]), len(taken[1]))
