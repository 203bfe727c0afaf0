"""Heads that a sweep exported: a folder of JSON and safetensors, read, checked and used.

Nothing is unpickled: a folder from anyone can be read without running its code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sigmoidf1.errors import InputError
from sigmoidf1.metric_inputs import Array
from sigmoidf1.training.predicting import head_probabilities

HEAD_FILE = "head.json"
FORMAT, FORMAT_VERSION = "sigmoidf1-head", 1
ENSEMBLE = "ensemble"
_NEEDED = ("labels", "threshold", "loss", "head", "precision", "dim", "encoder", "seeds")
_PICKLED = (".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt", ".joblib")


@dataclass(frozen=True, eq=False)
class ExportedHead:
    """A trained head, one set of weights a seed, as :func:`load_head` reads it.

    Attributes:
        folder: where it was read from.
        labels: C class names.
        threshold: the one it was chosen at; a label is predicted when its probability is >= this.
        seeds: S seeds.
        parameters: name to (S, ...), as of :class:`sigmoidf1.HeadResults`.
        info: all of ``head.json``: loss, hyperparameters, metrics, encoder, provenance.
    """

    folder: Path
    labels: list[str]
    threshold: float
    seeds: list[int]
    parameters: Mapping[str, Tensor]
    info: Mapping[str, Any]

    def predict(self, embeddings: Array, *, seed: int | str = ENSEMBLE) -> Tensor:
        """Return the probability of each label.

        Args:
            embeddings: (N, D) finite, by the encoder that the head was trained on.
            seed: ``ensemble`` averages the seeds' probabilities; a seed takes that one alone, bit
                by bit as its stored scores were computed on a CPU.

        Returns:
            (N, C) float32 in [0, 1].

        Raises:
            InputError: the embeddings do not fit, or there is no such seed.

        Example:
            >>> head = load_head("best-head")                            # doctest: +SKIP
            >>> head.predict(embeddings).shape                           # doctest: +SKIP
            torch.Size([795, 16])
        """
        rows = self._rows(seed)
        probs = head_probabilities(
            torch.as_tensor(embeddings),
            {name: values[rows] for name, values in self.parameters.items()},
            precision=str(self.info["precision"]),
        )
        return probs[0] if len(rows) == 1 else probs.double().mean(0).float()

    def label(
        self,
        embeddings: Array,
        *,
        threshold: float | None = None,
        seed: int | str = ENSEMBLE,
    ) -> list[list[str]]:
        """Return the labels of each example: those whose probability is >= the threshold.

        Args:
            embeddings: (N, D), as of :meth:`predict`.
            threshold: in [0, 1]; None is the head's own.
            seed: as of :meth:`predict`.

        Raises:
            InputError: as :meth:`predict`, or the threshold is outside of [0, 1].
        """
        return self.decide(self.predict(embeddings, seed=seed), threshold=threshold)

    def decide(self, probs: Array, *, threshold: float | None = None) -> list[list[str]]:
        """Return the labels of each row of probabilities (N, C), as of :meth:`label`."""
        cut = self.threshold if threshold is None else threshold
        if not 0 <= cut <= 1:
            raise InputError(f"a threshold must be in [0, 1], but got {cut!r}.")
        # Both in float32, as wherever the metrics count.
        chosen = torch.as_tensor(probs).float() >= torch.tensor(cut, dtype=torch.float32)
        return [
            [label for label, wanted in zip(self.labels, row, strict=True) if wanted]
            for row in chosen.tolist()
        ]

    def encode(
        self,
        inputs: Sequence[str],
        *,
        encoder: Mapping[str, Any] | None = None,
        device: str = "auto",
    ) -> Tensor:
        """Embed texts or image files by the encoder that the head was trained on.

        Args:
            inputs: N texts, or paths of images.
            encoder: the ``encoder`` mapping of a spec, for weights that lie elsewhere here than
                where the head was trained; None is the recorded one.
            device: where the encoder runs: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.

        Returns:
            (N, D) float32.

        Raises:
            InputError: the head was trained on ready features, the encoder is not at hand or has
                other weights, or an input cannot be read.
        """
        from sigmoidf1.encoders import ModelEncoder, get_encoder
        from sigmoidf1.encoders.backends import EmbeddingJob, LocalBackend

        recorded = dict(self.info["encoder"])
        if encoder is None and recorded.get("name", "none") == "none":
            raise InputError(
                f"the head in {self.folder} was trained on ready features and has no encoder. "
                "Give it embeddings."
            )
        options = {k: v for k, v in (encoder or recorded).items() if k != "augment_views"}
        chosen = get_encoder(options).for_modality(self.info["modality"])
        if not isinstance(chosen, ModelEncoder) or chosen.modality != self.info["modality"]:
            raise InputError(
                f"the head in {self.folder} needs an encoder of {self.info['modality']}, but got "
                f"{chosen.name!r}. Leave the encoder out to take the recorded one."
            )
        self._check_encoder(chosen.identity())
        precision = self.info["encoder_identity"]["precision"]
        job = EmbeddingJob(encoder=chosen, inputs=inputs, precision=precision)
        return torch.from_numpy(LocalBackend(device).run(job, None).embeddings)

    def _check_encoder(self, identity: Mapping[str, Any]) -> None:
        recorded = self.info["encoder_identity"]
        for name, value in identity.items():
            if name != "encoder" and recorded.get(name) != value:
                raise InputError(
                    f"the encoder must be the one that the head in {self.folder} was trained on, "
                    f"but its {name} differs. Take the same weights and options."
                )

    def _rows(self, seed: int | str) -> list[int]:
        if seed == ENSEMBLE:
            return list(range(len(self.seeds)))
        if seed not in self.seeds:
            known = ", ".join(map(str, self.seeds))
            raise InputError(
                f"seed must be {ENSEMBLE} or one of {known}, but got {seed!r}. Choose one of these."
            )
        return [self.seeds.index(int(seed))]


def load_head(folder: str | Path) -> ExportedHead:
    """Read a head that ``sigmoidf1 export best --weights DIR`` wrote.

    Args:
        folder: the folder that holds ``head.json`` and a safetensors file a seed.

    Returns:
        The head, its weights checked against their recorded checksums.

    Raises:
        InputError: the folder is no exported head, a file is missing or altered, or is a pickle.

    Example:
        >>> head = load_head("best-head")                                # doctest: +SKIP
        >>> head.label(head.encode(["A heist goes wrong."]))             # doctest: +SKIP
        [['Crime', 'Drama', 'Thriller']]
    """
    place = Path(folder)
    info = _read_info(place)
    tensors = [_read_weights(place, entry) for entry in info["seeds"]]
    names = sorted(tensors[0])
    parameters = {}
    for name in names:
        shapes = {tuple(one[name].shape) if name in one else () for one in tensors}
        if len(shapes) > 1:
            raise InputError(
                f"the seeds of a head must have weights of one shape, but {name} in {place} has "
                f"{sorted(shapes)}. {_AGAIN}"
            )
        parameters[name] = torch.stack([one[name] for one in tensors])
    head = ExportedHead(
        folder=place,
        labels=[str(label) for label in info["labels"]],
        threshold=float(info["threshold"]),
        seeds=[int(entry["seed"]) for entry in info["seeds"]],
        parameters=parameters,
        info=info,
    )
    _check_shapes(head)
    return head


_AGAIN = "Export it again: sigmoidf1 export best --weights DIR"


def _read_info(place: Path) -> dict[str, Any]:
    if place.suffix in _PICKLED:
        raise InputError(
            f"a head is a folder of JSON and safetensors, but {place} may hold pickled objects, "
            f"which can run code when read. {_AGAIN}"
        )
    path = place / HEAD_FILE
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        state = "is not there" if not place.is_dir() else f"holds no readable {HEAD_FILE}"
        raise InputError(
            f"a head is a folder that 'sigmoidf1 export best --weights DIR' wrote, but {place} "
            f"{state} ({error.strerror}). {_AGAIN}"
        ) from error
    except ValueError as error:
        raise InputError(f"{path} must be JSON, but is not ({error}). {_AGAIN}") from error
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        raise InputError(f"{path} must say format: {FORMAT}, but does not. {_AGAIN}")
    if info.get("format_version") != FORMAT_VERSION:
        raise InputError(
            f"{path} must have format_version {FORMAT_VERSION}, but has "
            f"{info.get('format_version')!r}. Update sigmoidf1, or export it again."
        )
    missing = [name for name in _NEEDED if name not in info]
    if missing or not info["seeds"] or not info["labels"]:
        lacks = ", ".join(missing) or "seeds or labels"
        raise InputError(f"{path} must say all of a head, but lacks {lacks}. {_AGAIN}")
    return info


def _read_weights(place: Path, entry: Mapping[str, Any]) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    name = str(entry["file"])
    path = place / name
    if Path(name).name != name or path.suffix != ".safetensors":
        raise InputError(
            f"weights must be a .safetensors file in the head's folder, but {place / HEAD_FILE} "
            f"names {name!r}. {_AGAIN}"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"the head's file {path} must be there, but cannot be read ({error.strerror}). {_AGAIN}"
        ) from error
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise InputError(
            f"{path} must have the SHA-256 that {HEAD_FILE} records, but has not: it was altered "
            f"or damaged. {_AGAIN}"
        )
    try:
        tensors: dict[str, Tensor] = load(content)
    except (SafetensorError, ValueError) as error:
        raise InputError(f"{path} must be a safetensors file, but is not. {_AGAIN}") from error
    return tensors


def _check_shapes(head: ExportedHead) -> None:
    mlp = head.info["head"].get("kind") == "mlp"
    wanted = {"weight", "bias"} | ({"hidden.weight", "hidden.bias"} if mlp else set())
    missing = wanted - head.parameters.keys()
    if missing:
        raise InputError(
            f"the head in {head.folder} must have the weights {', '.join(sorted(wanted))}, but "
            f"lacks {', '.join(sorted(missing))}. {_AGAIN}"
        )
    first = head.parameters["hidden.weight" if mlp else "weight"]
    got = (first.shape[1], head.parameters["weight"].shape[-1])
    if got != (head.info["dim"], len(head.labels)):
        raise InputError(
            f"the head in {head.folder} must have {head.info['dim']} inputs and "
            f"{len(head.labels)} labels, but its weights have {got[0]} and {got[1]}. {_AGAIN}"
        )
