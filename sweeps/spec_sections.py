"""The sections of a spec: head, training and objective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator

from sweeps import spec_rules
from sweeps.spaces import Axis, Kind, parse_axis

TRAINING_AXES = ("epochs", "batch_size", "lr", "weight_decay")


class Section(BaseModel):
    """A mapping of the spec: unknown keys are refused, nothing changes once read.

    ``synonyms`` are other tools' words for its keys, so that a message can name the right one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
    synonyms: ClassVar[dict[str, str]] = {}


def _axis(kind: Kind, rule: Callable[[float], bool], words: str) -> PlainValidator:
    def validate(written: Any) -> Axis:
        axis = parse_axis(written, kind=kind)
        for value in axis.values:
            if not rule(value):  # type: ignore[arg-type]
                raise ValueError(f"must be {words}, but got {value!r}. Raise it.")
        return axis

    return PlainValidator(validate)


class TrainingSpec(Section):
    """How heads are trained; every number may be an axis of the grid.

    Args:
        epochs: passes over the training split, >= 1.
        batch_size: examples a step, >= 1.
        lr: learning rate, > 0.
        weight_decay: >= 0.
        optimizer: ``adam`` or ``adamw``.
    """

    synonyms = {
        "learning_rate": "lr",
        "learningrate": "lr",
        "batch": "batch_size",
        "bs": "batch_size",
        "decay": "weight_decay",
        "wd": "weight_decay",
        "l2": "weight_decay",
        "optimiser": "optimizer",
    }

    epochs: Annotated[Axis, _axis("integer", lambda value: value >= 1, "at least 1")] = Axis(
        (60,), constant=True
    )
    batch_size: Annotated[Axis, _axis("integer", lambda value: value >= 1, "at least 1")] = Axis(
        (256,), constant=True
    )
    lr: Annotated[Axis, _axis("number", lambda value: value > 0, "above 0")] = Axis(
        (1e-3,), constant=True
    )
    weight_decay: Annotated[Axis, _axis("number", lambda value: value >= 0, "at least 0")] = Axis(
        (0.0,), constant=True
    )
    optimizer: Annotated[str, BeforeValidator(spec_rules.check_optimizer)] = "adam"

    def axes(self) -> dict[str, Axis]:
        """Return the settings that may be axes, in their fixed order."""
        return {name: getattr(self, name) for name in TRAINING_AXES}

    def to_plain(self) -> dict[str, Any]:
        """Return the block as a spec writes it, with nothing left out."""
        plain = {name: axis.to_plain() for name, axis in self.axes().items()}
        return plain | {"optimizer": self.optimizer}


class HeadSpec(Section):
    """The head on top of the frozen encoder.

    Args:
        kind: ``linear``: ReLU on the embedding, then one linear layer (paper, Section 5.2).
    """

    kind: Annotated[str, BeforeValidator(spec_rules.check_head_kind)] = "linear"


class ObjectiveSpec(Section):
    """The number by which cells are compared.

    Args:
        metric: a name of :data:`sweeps.spec_rules.METRIC_NAMES`, scikit-learn's meaning.
        split: ``validation``; choosing on ``test`` is refused.
        threshold: in (0, 1); a label is predicted when its probability is >= this.
    """

    metric: Annotated[str, BeforeValidator(spec_rules.check_metric)] = "weighted_f1"
    split: Annotated[str, BeforeValidator(spec_rules.check_split)] = "validation"
    threshold: Annotated[float, BeforeValidator(spec_rules.check_threshold)] = 0.5
