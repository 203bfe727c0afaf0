"""What a loss is: a plain function, the rules of its hyperparameters, and how it runs packed."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from sigmoidf1.errors import InputError
from sigmoidf1.losses.columns import VECTOR
from sigmoidf1.options import unknown_name

LossFunction = Callable[..., Tensor]
PackedGradient = Callable[..., tuple[Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True)
class Hyperparameter:
    """One hyperparameter of a loss and the rule that its value must keep.

    Args:
        name: the keyword of the loss function.
        default: value when none is given.
        description: one line for listings.
        choices: the only legal words; ``None`` means a number, of which a pack holds one a head.
        nullable: ``None`` is a legal value. In a tensor, which cannot hold ``None``, NaN stands
            for it.
        minimum: smallest legal number, itself included.
        maximum: largest legal number, itself included.
        exclusive_minimum: legal numbers are greater than this.
        exclusive_maximum: legal numbers are smaller than this.
        forbidden: numbers that are not legal although within the limits.

    Raises:
        InputError: if the default breaks the rule.

    Example:
        >>> margin = Hyperparameter(name="margin", default=1, description="margin", minimum=0)
        >>> margin.check(2)
        2.0
    """

    name: str
    default: float | str | None
    description: str
    choices: tuple[str, ...] | None = None
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None
    forbidden: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "default", self.check(self.default))

    @property
    def rule(self) -> str:
        """The rule in words, such as ``a finite number >= 0``."""
        if self.choices is not None:
            text = "one of " + ", ".join(self.choices)
        else:
            limits = (
                (">=", self.minimum),
                (">", self.exclusive_minimum),
                ("<=", self.maximum),
                ("<", self.exclusive_maximum),
            )
            bounds = [f"{sign} {limit:g}" for sign, limit in limits if limit is not None]
            bounds += [f"other than {number:g}" for number in self.forbidden]
            text = " ".join(["a finite number", " and ".join(bounds)]).strip()
        return text + (" or null" if self.nullable else "")

    def check(self, value: object) -> float | str | None:
        """Return the value as a float, a word or ``None``.

        Raises:
            InputError: if the value breaks the rule.
        """
        if value is None and self.nullable:
            return None
        if self.choices is not None:
            if isinstance(value, str) and value in self.choices:
                return value
        elif isinstance(value, Real) and not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                number = math.inf
            if self._allows(number):
                return number
        raise InputError(
            f"{self.name} must be {self.rule}, but got {value!r}. It is: {self.description}."
        )

    def _allows(self, number: float) -> bool:
        return (
            math.isfinite(number)
            and (self.minimum is None or number >= self.minimum)
            and (self.maximum is None or number <= self.maximum)
            and (self.exclusive_minimum is None or number > self.exclusive_minimum)
            and (self.exclusive_maximum is None or number < self.exclusive_maximum)
            and number not in self.forbidden
        )


# (overlap, total, positives, number of terms) -> (loss, d loss/d overlap, d loss/d total)
Ratio = Callable[[Tensor, Tensor, Tensor, int], tuple[Tensor, Tensor, Tensor]]


@dataclass(frozen=True)
class SmoothForm:
    """What a loss of the smooth confusion matrix is made of, for passes that are fused.

    Args:
        ratio: the loss and its derivatives from the sums Σ S y, Σ S and Σ y over the batch.
        mirrored: the scores are 1 - S(u), which is S with the opposite slope.
    """

    ratio: Ratio
    mirrored: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Loss:
    """A loss under a name: its function, its hyperparameters and, if any, its closed form.

    Args:
        name: what specs and listings call it.
        function: ``function(logits, targets, **hyperparameters)`` -> one number for logits and
            targets (N, C). Losses of this package also take leading axes, (..., N, C) -> (...).
            Hyperparameters are numbers or tensors without axes, so it must not branch on them.
        hyperparameters: name -> rule.
        summary: one line for listings.
        source: paper and equation.
        gradient: the closed form over packed columns, with the arguments and results of
            :func:`autograd_gradient` less the loss itself; ``None`` leaves it to autograd.
        smooth: its parts, of a loss that is a ratio of the smooth confusion matrix.
        f1_family: the loss lies in [0, 1] unless it diverges: beyond 10 it counts as diverged.
        presets: name -> hyperparameters fixed by it.

    Raises:
        InputError: if the function lacks a hyperparameter, or a preset breaks a rule.

    Example:
        >>> import torch
        >>> def hinge(logits, targets, *, margin):
        ...     return torch.relu(margin - (2 * targets - 1) * logits).mean()
        >>> margin = Hyperparameter(name="margin", default=1.0, description="margin", minimum=0)
        >>> loss = Loss(name="hinge", function=hinge, hyperparameters={"margin": margin})
        >>> loss.resolve({"margin": 2})
        {'margin': 2.0}
    """

    name: str
    function: LossFunction
    hyperparameters: Mapping[str, Hyperparameter] = field(default_factory=dict)
    summary: str = ""
    source: str = ""
    gradient: PackedGradient | None = None
    smooth: SmoothForm | None = None
    f1_family: bool = False
    presets: Mapping[str, Mapping[str, float | str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, rule in self.hyperparameters.items():
            if key != rule.name or key == "preset":
                raise InputError(
                    f"A hyperparameter's key must be its name, and not 'preset', but loss "
                    f"{self.name!r} has {key!r} for {rule.name!r}. Rename one of them."
                )
        accepted = inspect.signature(self.function).parameters.values()
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted):
            for name in self.hyperparameters.keys() - {parameter.name for parameter in accepted}:
                raise InputError(
                    f"The function of loss {self.name!r} must take each hyperparameter as a "
                    f"keyword, but it has no {name!r}. Add the argument or drop the hyperparameter."
                )
        for preset in self.presets:
            self.resolve({"preset": preset})

    def resolve(self, values: Mapping[str, Any]) -> dict[str, float | str | None]:
        """Return a value for every hyperparameter: checked ones, the preset's, then defaults.

        Args:
            values: what the user gave, ``preset`` included.

        Raises:
            InputError: for an unknown name, a value that breaks its rule, or a hyperparameter
                given beside a preset that fixes it.
        """
        given = dict(values)
        if self.presets and "preset" in given:
            preset = given.pop("preset")
            if not isinstance(preset, str) or preset not in self.presets:
                raise InputError(unknown_name(f"preset of {self.name}", preset, self.presets))
            for name, fixed in self.presets[preset].items():
                if name in given:
                    raise InputError(
                        f"Preset {preset!r} already fixes {name} = {fixed}, but got {name} = "
                        f"{given[name]!r} as well. Remove one of the two."
                    )
                given[name] = fixed
        known = [*self.hyperparameters, *(["preset"] if self.presets else [])]
        for name in given:
            if name not in self.hyperparameters:
                raise InputError(unknown_name(f"hyperparameter of {self.name}", name, known))
        return {
            name: rule.check(given[name]) if name in given else rule.default
            for name, rule in self.hyperparameters.items()
        }


def autograd_gradient(
    loss: Loss,
    logits: Tensor,
    targets: Tensor,
    hyperparameters: Mapping[str, Tensor],
    *,
    num_heads: int,
    num_classes: int,
    choices: Mapping[str, str],
) -> tuple[Tensor, Tensor]:
    """Losses and gradients of packed heads, by autograd of the loss's own function.

    The function runs under :func:`torch.vmap` and sees the logits (N, C) of one head at a time.

    Args:
        loss: the loss; its ``gradient`` is not used.
        logits: (B, W); column of head h and class c is h * C + c, and W >= H * C.
        targets: (B, W) in {0, 1}.
        hyperparameters: name -> (W,) row, the same value in all columns of a head.
        num_heads: H.
        num_classes: C.
        choices: name -> word, the same for all heads.

    Returns:
        Losses (H,) and their gradient (B, W), which is 0 in padding columns.

    Raises:
        InputError: if the function does not give one differentiable number a head.
    """
    values, gradient, _ = autograd_gradients(
        loss,
        logits,
        targets,
        hyperparameters,
        num_heads=num_heads,
        num_classes=num_classes,
        choices=choices,
    )
    return values, gradient


def autograd_gradients(
    loss: Loss,
    logits: Tensor,
    targets: Tensor,
    hyperparameters: Mapping[str, Tensor],
    *,
    num_heads: int,
    num_classes: int,
    choices: Mapping[str, str],
    learned: Sequence[str] = (),
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """As :func:`autograd_gradient`, and the gradients of hyperparameters that are learned.

    Args:
        learned: hyperparameters that the function sees with one value a class, (C,), and whose
            gradients are wanted; the others it sees as numbers.

    Returns:
        Losses (H,), the gradient of the logits (B, W), and for each learned name its (W,) row.
    """
    used = num_heads * num_classes
    # The last elements of a tensor may be computed by scalar code that rounds otherwise than the
    # vector loop: spare heads take that place, so that no head's bits depend on where it stands.
    spare = -(-VECTOR // (len(logits) * num_classes))

    def by_head(columns: Tensor) -> Tensor:
        heads = columns.new_zeros(num_heads + spare, len(columns), num_classes)
        heads[:num_heads] = columns[:, :used].unflatten(1, (num_heads, num_classes)).transpose(0, 1)
        return heads

    def numbers_by_head(name: str, row: Tensor) -> Tensor:
        by_class = torch.cat([row[:used], row.new_ones(spare * num_classes)]).detach()
        by_class = by_class.unflatten(0, (num_heads + spare, num_classes))
        return by_class.clone().requires_grad_() if name in learned else by_class[:, 0]

    numbers = {name: numbers_by_head(name, row) for name, row in hyperparameters.items()}

    def one_head(logits: Tensor, targets: Tensor, numbers: Mapping[str, Tensor]) -> Tensor:
        value = loss.function(logits, targets, **numbers, **choices)
        if not isinstance(value, Tensor) or value.ndim != 0:
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise InputError(
                f"Loss {loss.name!r} must return one number for logits (N, C), but got {shape}. "
                "Reduce over both axes."
            )
        return value

    with torch.enable_grad():
        leaf = by_head(logits.detach()).requires_grad_()
        values = torch.vmap(one_head)(leaf, by_head(targets), numbers)
        if not values.requires_grad:
            raise InputError(
                f"Loss {loss.name!r} must be differentiable in the logits, but its value does not "
                "depend on them through autograd. Use PyTorch operations only, without detach()."
            )
        leaf_gradient, *learned_gradients = torch.autograd.grad(
            values.sum(), [leaf, *(numbers[name] for name in learned)]
        )
    gradient = torch.zeros_like(logits)
    gradient[:, :used].unflatten(1, (num_heads, num_classes)).copy_(
        leaf_gradient[:num_heads].transpose(0, 1)
    )
    rows = {}
    for name, by_class in zip(learned, learned_gradients, strict=True):
        rows[name] = torch.zeros_like(hyperparameters[name])
        rows[name][:used] = by_class[:num_heads].flatten()
    return values[:num_heads].detach(), gradient, rows
