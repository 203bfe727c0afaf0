"""The embedding loop: shards, order, memory, failures in threads."""

import threading
import time
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from sigmoidf1.encoders.base import BadInput, Batch, Prepared
from sigmoidf1.encoders.batching import largest_batch
from sigmoidf1.encoders.embedding import (
    Shard,
    embed,
    embed_shard,
    merge_shards,
    plan_chunks,
)
from sigmoidf1.errors import InputError

TEXTS = ["word " * (index * 7919 % 97) for index in range(3000)]


class Lengths:
    """An embedder whose embedding of a text is its length; texts that say BAD are bad."""

    workers = 3
    overlap = True
    most = 10**9

    def units(self, rows):
        return [list(rows[start : start + 64]) for start in range(0, len(rows), 64)]

    def prepare(self, inputs, rows, view):
        assert threading.current_thread() is not threading.main_thread()
        good = [row for row in rows if "BAD" not in inputs[row]]
        values = torch.tensor([[float(len(inputs[row]))] for row in good])
        batches = [Batch(good, {"lengths": values})] if good else []
        return Prepared(batches, [BadInput(r, f"{r} is bad") for r in rows if r not in good])

    def encode(self, batch):
        if len(batch.rows) > self.most:
            raise torch.OutOfMemoryError
        return batch.tensors["lengths"].repeat(1, 2)

    def quiet(self):
        return nullcontext()


def lengths(texts):
    return np.array([[len(text)] * 2 for text in texts], dtype=np.float32)


@pytest.mark.parametrize("modality", ["text", "image"])
def test_chunks_hold_every_row_once(modality):
    chunks = plan_chunks(modality, TEXTS)
    assert sorted(row for chunk in chunks for row in chunk) == list(range(len(TEXTS)))
    assert len(chunks) > 2
    order = [len(TEXTS[row]) for chunk in chunks for row in chunk]
    assert (order == sorted(order, reverse=True)) == (modality == "text")


@pytest.mark.parametrize("shards", [1, 2, 5])
def test_shards_merge_to_the_whole(shards):
    texts = [text if row not in (7, 2999) else "BAD" for row, text in enumerate(TEXTS)]
    chunks = plan_chunks("image", texts)
    parts = [
        embed_shard(Lengths(), texts, chunks[place::shards], skip_bad=True)
        for place in range(shards)
    ]
    merged = merge_shards(parts[::-1], len(texts))
    whole = embed(Lengths(), texts, modality="image", skip_bad=True)
    assert np.array_equal(merged.embeddings, whole.embeddings)
    assert merged.bad == whole.bad == [BadInput(7, "7 is bad"), BadInput(2999, "2999 is bad")]
    assert (merged.embeddings[[7, 2999]] == 0).all()
    good = np.setdiff1d(np.arange(len(texts)), [7, 2999])
    assert np.array_equal(whole.embeddings[good], lengths(texts)[good])


def test_shards_must_fit_together():
    shard = Shard(np.arange(3), np.zeros((3, 2), np.float32), [])
    with pytest.raises(ValueError, match="each of 4 rows once, but got 3"):
        merge_shards([shard], 4)
    with pytest.raises(ValueError, match="each of 3 rows once, but got 6"):
        merge_shards([shard, shard], 3)


def test_the_first_bad_input_stops_everything():
    texts = list(TEXTS)
    texts[500] = "BAD"
    with pytest.raises(InputError, match="500 is bad"):
        embed(Lengths(), texts, modality="image")
    assert not [t for t in threading.enumerate() if t.name.startswith("prepare")]
    with pytest.raises(InputError, match="none of 2 is; the first: 0 is bad"):
        embed(Lengths(), ["BAD", "BAD"], modality="image", skip_bad=True)
    with pytest.raises(InputError, match="got no inputs"):
        embed(Lengths(), [], modality="text")


def test_a_failure_in_a_thread_reaches_the_caller():
    class Broken(Lengths):
        def prepare(self, inputs, rows, view):
            raise RuntimeError("tokenizer broke")

    with pytest.raises(RuntimeError, match="tokenizer broke"):
        embed(Broken(), TEXTS, modality="text")


@pytest.mark.parametrize("overlap", [True, False])
def test_preparing_overlaps_or_takes_turns(overlap):
    class Watched(Lengths):
        preparing = 0
        seen = 0

        def prepare(self, inputs, rows, view):
            Watched.preparing += 1
            time.sleep(0.002)
            prepared = super().prepare(inputs, rows, view)
            Watched.preparing -= 1
            return prepared

        def encode(self, batch):
            Watched.seen += Watched.preparing > 0
            time.sleep(0.001)
            return super().encode(batch)

    Watched.overlap, Watched.workers = overlap, 1
    found = embed(Watched(), TEXTS, modality="image")
    assert np.array_equal(found.embeddings, lengths(TEXTS))
    assert (Watched.seen > 0) == overlap


def test_progress_counts_every_input():
    calls = []
    embed(Lengths(), TEXTS, lambda *call: calls.append(call), modality="text")
    assert calls[-1] == (len(TEXTS), len(TEXTS))
    assert calls == sorted(calls)


@pytest.mark.parametrize("most", [1, 5, 64])
def test_batches_shrink_to_memory_and_stay_small(most):
    class Small(Lengths):
        tried = 0

        def encode(self, batch):
            Small.tried += 1
            return super().encode(batch)

    Small.most = most
    found = embed(Small(), TEXTS, modality="text")
    assert np.array_equal(found.embeddings, lengths(TEXTS))
    # Only the first batch is too large: later ones are cut beforehand.
    assert Small.tried <= 2 * len(TEXTS) / most + 12


def test_one_input_too_large_for_memory_is_refused():
    class Tiny(Lengths):
        most = 0

    with pytest.raises(InputError, match="one alone does not"):
        embed(Tiny(), TEXTS, modality="text")


def test_the_largest_batch_by_hand():
    assert largest_batch(1e6, 10**9, most=1024) == 256  # 400 fit
    assert largest_batch(1e6, 10**9, most=100) == 64
    assert largest_batch(1e12, 10**9, most=100) == 1
    assert largest_batch(0, 10**9, most=100) == 64
