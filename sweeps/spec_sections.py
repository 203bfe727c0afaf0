"""The sections of a spec: head, training and objective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator, model_validator

from sweeps import spec_rules
from sweeps.axes import Axis, Kind
from sweeps.spaces import grid, parse_axis


class Section(BaseModel):
    """A mapping of the spec: unknown keys are refused, nothing changes once read.

    ``synonyms`` are other tools' words for its keys, so that a message can name the right one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
    synonyms: ClassVar[dict[str, str]] = {}


def _axis(kind: Kind, rule: Callable[[float], bool], words: str) -> PlainValidator:
    def validate(written: Any) -> Axis:
        axis = parse_axis(written, kind=kind)
        for value in axis.points:
            if not rule(value):  # type: ignore[arg-type]
                raise ValueError(f"must be {words}, but got {value!r}. Change it.")
        return axis

    return PlainValidator(validate)


def _words(known: tuple[str, ...]) -> PlainValidator:
    def validate(written: Any) -> Axis:
        axis = parse_axis(written, kind="setting")
        for value in axis.values:
            spec_rules.check_choice(value, known)
        return axis

    return PlainValidator(validate)


_Count = Annotated[Axis, _axis("integer", lambda value: value >= 1, "at least 1")]
_Positive = Annotated[Axis, _axis("number", lambda value: value > 0, "above 0")]
_NotNegative = Annotated[Axis, _axis("number", lambda value: value >= 0, "at least 0")]
_Decay = Annotated[Axis, _axis("number", lambda value: 0 <= value < 1, "at least 0 and below 1")]
_Share = Annotated[Axis, _axis("number", lambda value: 0 < value < 1, "above 0 and below 1")]
_Optimizer = Annotated[Axis, _words(spec_rules.OPTIMIZERS)]
_Schedule = Annotated[Axis, _words(spec_rules.SCHEDULES)]
_EpochChoice = Annotated[Axis, _words(spec_rules.EPOCH_CHOICES)]
_Precision = Annotated[Axis, _words(spec_rules.PRECISIONS)]
_HeadKind = Annotated[Axis, _words(spec_rules.HEAD_KINDS)]


def _constant(value: float | str) -> Axis:
    return Axis((value,), constant=True)


def _given(section: Section) -> dict[str, Axis]:
    """The settings of a section that are not left out, in their fixed order."""
    values = {name: getattr(section, name) for name in type(section).model_fields}
    return {name: value for name, value in values.items() if isinstance(value, Axis)}


class TrainingSpec(Section):
    """How heads are trained; every setting may be an axis of the grid.

    The first five always apply; the others are off unless given, and mean what
    :class:`sigmoidf1.TrainingSettings` says.

    Args:
        epochs: passes over the training split, >= 1.
        batch_size: examples a step, >= 1; larger than the training split is full batch.
        lr: learning rate, > 0.
        weight_decay: >= 0.
        optimizer: ``adam``, ``adamw`` or ``sgd``.
        momentum: of ``sgd``, in [0, 1); 0.9 unless given.
        schedule: of the learning rate: ``constant`` (default), ``cosine`` or ``onecycle``.
        pct_start: share of rising steps of ``onecycle``, in (0, 1); 0.3 unless given.
        warmup_epochs: epochs of linear warm-up, >= 0.
        ema_decay: moving average of the weights, in [0, 1).
        keep_epoch: ``last`` (default) or ``best`` on the objective.
        patience: evaluations without a better objective after which a head stops.
        eval_every: epochs between evaluations; chosen to cost little unless given.
        precision: of the products: ``float32`` (default), ``bf16`` or ``tf32``.
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
        "early_stopping": "patience",
        "ema": "ema_decay",
        "warmup": "warmup_epochs",
        "scheduler": "schedule",
    }

    epochs: _Count = _constant(60)
    batch_size: _Count = _constant(256)
    lr: _Positive = _constant(1e-3)
    weight_decay: _NotNegative = _constant(0.0)
    optimizer: _Optimizer = _constant("adam")
    momentum: _Decay | None = None
    schedule: _Schedule | None = None
    pct_start: _Share | None = None
    warmup_epochs: _NotNegative | None = None
    ema_decay: _Decay | None = None
    keep_epoch: _EpochChoice | None = None
    patience: _Count | None = None
    eval_every: _Count | None = None
    precision: _Precision | None = None

    @model_validator(mode="after")
    def _check_together(self) -> TrainingSpec:
        for name, other, word in (
            ("momentum", "optimizer", "sgd"),
            ("pct_start", "schedule", "onecycle"),
            ("patience", "keep_epoch", "best"),
        ):
            needed = getattr(self, other)
            if getattr(self, name) is not None and (needed is None or needed.values != (word,)):
                got = "nothing" if needed is None else ", ".join(map(str, needed.values))
                raise ValueError(
                    f"with {name} must have {other}: {word}, but got {got}. "
                    f"Write {other}: {word}, or leave {name} out."
                )
        return self

    def axes(self) -> dict[str, Axis]:
        """Return the settings that apply, in their fixed order."""
        return _given(self)

    def to_plain(self) -> dict[str, Any]:
        """Return the block as a spec writes it, with nothing left out that applies."""
        return {name: axis.to_plain() for name, axis in self.axes().items()}


class HeadSpec(Section):
    """The head on top of the frozen encoder; kind, hidden and dropout may be axes of the grid.

    Args:
        kind: ``linear``: ReLU on the embedding, then one linear layer (paper, Section 5.2);
            ``mlp``: a hidden layer with ReLU (the authors' image head).
        hidden: width of the ``mlp``'s hidden layer, >= 1; 1024 unless given.
        dropout: of the hidden layer, in [0, 1); 0 unless given.
        learn: hyperparameters learned with the head, one a class: any of ``beta``, ``eta``.
    """

    synonyms = {"width": "hidden", "hidden_size": "hidden", "type": "kind"}

    kind: _HeadKind = _constant("linear")
    hidden: _Count | None = None
    dropout: _Decay | None = None
    learn: Annotated[tuple[str, ...], BeforeValidator(spec_rules.check_learn)] = ()

    @model_validator(mode="after")
    def _check_together(self) -> HeadSpec:
        given = [name for name in ("hidden", "dropout") if getattr(self, name) is not None]
        if given and "mlp" not in self.kind.values:
            raise ValueError(
                f"with {given[0]} must have kind: mlp, but got linear. "
                f"Write kind: mlp, or leave {given[0]} out."
            )
        return self

    def axes(self) -> dict[str, Axis]:
        """Return the settings that may be axes and apply, in their fixed order."""
        return _given(self)

    def variants(self) -> list[dict[str, Any]]:
        """Return every head of the grid, each with the settings that its kind has."""
        axes = self.axes()
        variants = []
        for kind in self.kind.values:
            inner = {k: a.values for k, a in axes.items() if k != "kind" and kind == "mlp"}
            for values in grid(inner):
                head = {"kind": kind, **dict(zip(inner, values, strict=True))}
                variants.append(head | ({"learn": list(self.learn)} if self.learn else {}))
        return variants

    def to_plain(self) -> dict[str, Any]:
        """Return the block as a spec writes it, with nothing left out that applies."""
        plain = {name: axis.to_plain() for name, axis in self.axes().items()}
        return plain | ({"learn": list(self.learn)} if self.learn else {})


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
