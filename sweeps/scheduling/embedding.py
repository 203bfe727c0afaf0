"""Embeds a dataset on all GPUs or nodes of a running Ray: shards by actors, merged here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import ray

from sigmoidf1.data_root import add_data_root, reads_working_folder
from sigmoidf1.encoders import BadInput
from sigmoidf1.encoders.backends import EmbeddingJob
from sigmoidf1.encoders.embedding import Embedded, Shard, embed_shard, merge_shards, plan_chunks
from sigmoidf1.errors import InputError
from sweeps.errors import SweepError

_SHARDS_A_WORKER = 4
"""More shards than workers: a slow worker takes fewer, and progress is told in between."""

_RESTARTS = 2


class RayBackend:
    """Does embedding jobs on a cluster; see `EmbeddingBackend`.

    The result is that of one machine of the workers' kind, because a shard is made of whole
    chunks and no batch reaches over a chunk's end. Image files and local weights must be under
    the same path on every node.

    Args:
        workers: actors, each with a model of its own.
        device_type: `cpu` or `cuda`; a worker of `cuda` holds a GPU.
        cpus_per_worker: cores of a worker, which decode, and compute where there is no GPU.
    """

    def __init__(self, *, workers: int, device_type: str, cpus_per_worker: int) -> None:
        self.workers = workers
        self.device_type = device_type
        self.cpus_per_worker = cpus_per_worker

    def run(self, job: EmbeddingJob, progress: Callable[[int, int], None] | None) -> Embedded:
        """Embed all inputs of a job, shard by shard.

        Raises:
            InputError: if an input cannot be read (all of them, with `skip_bad`).
            SweepError: if workers die more often than they are replaced.
        """
        shards = _divide(job, self.workers * _SHARDS_A_WORKER)
        common = ray.put(replace(job, inputs=()))
        worker = ray.remote(_Worker).options(
            num_cpus=self.cpus_per_worker,
            num_gpus=1 if self.device_type == "cuda" else 0,
            max_restarts=_RESTARTS,
            max_task_retries=_RESTARTS,
            scheduling_strategy="SPREAD",
        )
        # A submitted job reads what was sent along: on each node in a folder of its own.
        sent_along = reads_working_folder()
        actors: list[Any] = [
            worker.remote(common, self.device_type, self.cpus_per_worker, sent_along)
            for _ in range(min(self.workers, len(shards)))
        ]
        try:
            return merge_shards(self._collect(job, shards, actors, progress), len(job.inputs))
        finally:
            for actor in actors:
                ray.kill(actor)

    def _collect(
        self,
        job: EmbeddingJob,
        shards: list[list[list[int]]],
        actors: list[Any],
        progress: Callable[[int, int], None] | None,
    ) -> list[Shard]:
        waiting = list(reversed(shards))
        running: dict[Any, tuple[Any, list[int]]] = {}
        done: list[Shard] = []
        finished = 0
        for actor in actors:
            _hand_out(job, waiting, actor, running)
        while running:
            (reference,), _ = ray.wait(list(running), num_returns=1)
            actor, rows = running.pop(reference)
            shard = _result(reference)
            done.append(
                Shard(
                    np.array(rows, dtype=np.int64)[shard.rows],
                    shard.embeddings,
                    [BadInput(rows[entry.row], entry.reason) for entry in shard.bad],
                )
            )
            finished += len(rows)
            if progress is not None:
                progress(finished, len(job.inputs))
            if waiting:
                _hand_out(job, waiting, actor, running)
        return done


def cluster_backend(cpus_per_worker: int | None = None) -> RayBackend | None:
    """Return what spreads embedding over the joined Ray; None where one process does as well.

    Workers are the GPUs, if there is more than one; without any GPU they are the nodes, if there
    is more than one, each with all of its smallest member's cores.

    Args:
        cpus_per_worker: cores of a worker; None: a GPU's share of all cores, or a node's.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = int(sum(node.get("GPU", 0) for node in nodes))
    cpus = int(sum(node.get("CPU", 0) for node in nodes))
    if gpus > 1:
        return RayBackend(
            workers=gpus,
            device_type="cuda",
            cpus_per_worker=cpus_per_worker or max(1, cpus // gpus),
        )
    working = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1]
    if gpus or len(working) < 2:
        return None
    return RayBackend(
        workers=len(working), device_type="cpu", cpus_per_worker=cpus_per_worker or min(working)
    )


def _divide(job: EmbeddingJob, count: int) -> list[list[list[int]]]:
    """At most ``count`` shards of chunks of rows; the long texts, which come first, are dealt."""
    chunks = plan_chunks(job.encoder.modality or "text", job.inputs)
    return [shard for place in range(count) if (shard := chunks[place::count])]


def _hand_out(
    job: EmbeddingJob,
    waiting: list[list[list[int]]],
    actor: Any,
    running: dict[Any, tuple[Any, list[int]]],
) -> None:
    chunks = waiting.pop()
    rows = [row for chunk in chunks for row in chunk]
    # The inputs travel with the shard: texts may lie in a file that only this machine has.
    inputs = [job.inputs[row] for row in rows]
    running[actor.embed.remote(inputs, [len(chunk) for chunk in chunks])] = (actor, rows)


def _result(reference: Any) -> Shard:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause if isinstance(error.cause, Exception) else None
        if isinstance(cause, InputError):
            raise InputError(str(cause)) from error
        reason = str(cause or error).strip().splitlines()[-1]
        raise SweepError(f"embedding must not fail, but a worker did: {reason}") from error
    except ray.exceptions.RayError as error:
        raise SweepError(
            f"embedding workers must stay alive, but one died more than {_RESTARTS} times: "
            f"{str(error).splitlines()[0]}"
        ) from error


class _Worker:
    """Embeds shards; an actor loads the model once."""

    def __init__(self, job: EmbeddingJob, device_type: str, cpus: int, sent_along: bool) -> None:
        import torch

        if sent_along:
            add_data_root(Path.cwd())
        if device_type == "cpu":
            torch.set_num_threads(cpus)
        workers = job.encoder.workers or cpus
        self._job = replace(job, encoder=replace(job.encoder, workers=workers))
        # Ray shows a worker its own GPU alone, as the first.
        self._embedder = self._job.open(torch.device(device_type))

    def embed(self, inputs: Sequence[str], sizes: list[int]) -> Shard:
        """Embed one shard, whose chunks have these sizes."""
        ends = np.cumsum(sizes).tolist()
        chunks = [list(range(end - size, end)) for end, size in zip(ends, sizes, strict=True)]
        return embed_shard(
            self._embedder, inputs, chunks, skip_bad=self._job.skip_bad, view=self._job.view
        )
