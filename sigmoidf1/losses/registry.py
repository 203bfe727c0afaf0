"""Losses by name: every file of this package with a ``LOSS``, and those a user registers."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from sigmoidf1.errors import InputError
from sigmoidf1.losses.base import Loss
from sigmoidf1.options import unknown_name


def get_loss(name: str) -> Loss:
    """Return the loss of that name.

    Raises:
        InputError: if there is none; the nearest name is suggested.

    Example:
        >>> get_loss("sigmoid_f1").source
        'Bénédict et al., TMLR 2022, Eq. 6'
    """
    losses = _losses()
    if name not in losses:
        raise InputError(unknown_name("loss", name, losses))
    return losses[name]


def loss_names() -> list[str]:
    """Return the names of all losses, sorted."""
    return sorted(_losses())


def register_loss(loss: Loss) -> Loss:
    """Make a loss known by its name in this process, and return it.

    Raises:
        InputError: if another loss has the name.

    Example:
        >>> import torch
        >>> from sigmoidf1.losses import Hyperparameter, Loss
        >>> def hinge(logits, targets, *, margin):
        ...     return torch.relu(margin - (2 * targets - 1) * logits).mean()
        >>> margin = Hyperparameter(name="margin", default=1.0, description="margin", minimum=0)
        >>> hinge_loss = Loss(name="hinge", function=hinge, hyperparameters={"margin": margin})
        >>> register_loss(hinge_loss) is get_loss("hinge")
        True
    """
    known = _losses().setdefault(loss.name, loss)
    if known is not loss:
        raise InputError(
            f"A loss's name must be its own, but {loss.name!r} is taken by "
            f"{known.summary or known.function!r} Choose another name."
        )
    return loss


@functools.cache
def _losses() -> dict[str, Loss]:
    package = __name__.rpartition(".")[0]
    losses: dict[str, Loss] = {}
    for file in pkgutil.iter_modules(importlib.import_module(package).__path__):
        loss = getattr(importlib.import_module(f"{package}.{file.name}"), "LOSS", None)
        if isinstance(loss, Loss):
            losses[loss.name] = loss
    return losses
