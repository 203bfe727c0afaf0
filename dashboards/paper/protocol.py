"""What differs between a stored sweep and the paper's protocol, from the sweep's own spec."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from dashboards.naming import axis_name, metric_name
from dashboards.paper_numbers import PaperDataset, PaperProtocol, paper_protocol
from storage.records import SweepInfo


class Difference(NamedTuple):
    """One thing that a sweep did otherwise.

    Attributes:
        what: the setting, in words.
        paper: what the paper did.
        here: what the sweep did.
    """

    what: str
    paper: str
    here: str


def protocol_differences(
    info: SweepInfo, dataset: PaperDataset, losses: Iterable[str]
) -> tuple[Difference, ...]:
    """Return what a sweep does otherwise than the paper, in the order of the protocol.

    Args:
        info: the stored sweep: its spec, what was read of the data, and its objective.
        dataset: what the paper did for the dataset that the sweep stands for.
        losses: the sweep's losses.

    Returns:
        The differences; none where the whole protocol was followed.
    """
    protocol = paper_protocol()
    spec, features = info.spec, info.features_info
    options = {**features.get("options", {}), **spec.get("data", {})}
    found = [
        *_compare("dataset", dataset.name, info.dataset),
        *_compare(
            "encoder",
            f"{dataset.encoder} ({dataset.encoder_name})",
            encoder_words(info),
            same=spec.get("encoder", {}).get("name") == dataset.encoder_name,
        ),
        *_data(dataset, features, options),
        *_training(dataset, protocol, spec),
        *_compare("seeds", str(protocol.seeds), str(len(spec.get("seeds", ())))),
        *_compare(
            "threshold of the choice", f"{dataset.threshold:g}", f"{info.objective['threshold']:g}"
        ),
        *_compare(
            "chosen by", metric_name(protocol.objective), metric_name(info.objective["metric"])
        ),
        *_losses(protocol, spec.get("losses", {}), set(losses)),
    ]
    return tuple(found)


def encoder_words(info: SweepInfo) -> str:
    """Name a sweep's encoder without the folder that its weights lie in."""
    identity = info.features_info.get("encoder")
    if isinstance(identity, Mapping) and identity.get("encoder"):
        return str(identity["encoder"])
    return re.split(r"[/\\]", str(info.spec.get("encoder", {}).get("name", info.encoder)))[-1]


def _compare(what: str, paper: str, here: str, *, same: bool | None = None) -> list[Difference]:
    equal = paper == here if same is None else same
    return [] if equal else [Difference(what, paper, here)]


def _data(
    dataset: PaperDataset, features: Mapping[str, Any], options: Mapping[str, Any]
) -> list[Difference]:
    split = str(options.get("split") or "auto")
    if split == "auto":  # official where there is one, else stratified
        split = dataset.split if dataset.split == "official" else "stratified"
    b = options.get("min_examples")
    found = _compare(
        "split",
        f"{dataset.split} (60/20/20)" if dataset.split == "random" else dataset.split,
        split,
        same=split == dataset.split,
    )
    found += _compare("least examples of a class, b", str(dataset.min_examples or 1), str(b or 1))
    if dataset.parsing is not None:
        found += _compare(
            "reading of the labels", dataset.parsing, str(options.get("parsing") or "plain")
        )
    if options.get("permute_labels") is not None:
        found.append(Difference("labels", "as they are", "permuted: a null control"))
    if "n_examples" in features:
        found += _compare("examples", f"{dataset.examples:,}", f"{features['n_examples']:,}")
        classes = dataset.classes_kept or dataset.classes
        found += _compare("classes", str(classes), str(features["n_classes"]))
    return found


def _training(
    dataset: PaperDataset, protocol: PaperProtocol, spec: Mapping[str, Any]
) -> list[Difference]:
    training, head = spec.get("training", {}), spec.get("head", {})
    wanted: dict[str, Any] = {
        "epochs": dataset.epochs,
        "batch_size": protocol.batch_size,
        "optimizer": protocol.optimizer,
        "lr": dataset.lr,
        "weight_decay": dataset.weight_decay,
        "schedule": dataset.schedule,
    }
    unset = {"schedule": "constant", "weight_decay": 0.0}
    found: list[Difference] = []
    for name, value in wanted.items():
        own = setting_values(training.get(name, unset.get(name)))
        found += _compare(axis_name(name), _text([value]), _text(own), same=own == [value])
    extra = {
        name: setting_values(training[name])
        for name in training
        if name not in wanted and name not in ("pct_start", "momentum", "eval_every")
    }
    usual = {"keep_epoch": ["last"], "precision": ["float32"]}
    for name, own in extra.items():
        if own != usual.get(name):
            found.append(Difference(axis_name(name), _text(usual.get(name, ["none"])), _text(own)))
    kinds = setting_values(head.get("kind", "linear"))
    found += _compare("head", protocol.head, _text(kinds), same=kinds == [protocol.head])
    if head.get("learn"):
        found.append(Difference("learned with the head", "nothing", ", ".join(head["learn"])))
    return found


def _losses(
    protocol: PaperProtocol, blocks: Mapping[str, Any], losses: set[str]
) -> list[Difference]:
    missing = [loss for loss in protocol.losses if loss not in losses]
    found = [Difference("losses", ", ".join(protocol.losses), f"without {', '.join(missing)}")]
    found = found if missing else []
    for loss, settings in protocol.settings.items():
        block = blocks.get(loss, {})
        if loss not in losses:
            continue
        for name, value in settings.items():
            own = setting_values(block[name]) if name in block else [value]
            if "preset" in block and name not in block:
                continue
            found += _compare(
                f"{axis_name(name)} of {loss}", _text([value]), _text(own), same=own == [value]
            )
    block = blocks.get("sigmoid_f1", {})
    if "sigmoid_f1" in losses and "preset" in block:
        found.append(
            Difference("β and η", "a grid", f"preset {_text(setting_values(block['preset']))}")
        )
    elif "sigmoid_f1" in losses:
        for name, (low, high) in (("beta", protocol.beta), ("eta", protocol.eta)):
            own = setting_values(block.get(name, 1.0 if name == "beta" else 0.0))
            numbers = [float(value) for value in own]
            same = (min(numbers), max(numbers)) == (low, high)
            found += _compare(
                f"grid of {axis_name(name)}", f"{low:g} to {high:g}", _text(own), same=same
            )
    return found


def setting_values(written: Any) -> list[Any]:
    """Return the values of a setting of a stored spec: one, those of an axis, or a range's ends.

    Example:
        >>> setting_values(10), setting_values({"range": [10, 30]})
        ([10], [10, 30])
    """
    if isinstance(written, Mapping):
        return list(written.get("values") or written.get("range") or [])
    return list(written) if isinstance(written, list | tuple) else [written]


def _text(values: Sequence[Any]) -> str:
    """Values in a few words: all of a few, of many their ends and their number."""
    words = [f"{value:g}" if isinstance(value, int | float) else str(value) for value in values]
    if len(words) <= 6:
        return ", ".join(words)
    return f"{words[0]} to {words[-1]} ({len(words)} values)"
