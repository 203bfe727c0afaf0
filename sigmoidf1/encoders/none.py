"""No encoder: the data are ready features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sigmoidf1.encoders.base import Encoder, EncoderFamily


class ReadyFeatures(Encoder):
    """Stands where an encoder would, for data that are embedded already."""

    def identity(self) -> dict[str, Any]:
        """Return that nothing is done to the features."""
        return {"encoder": "none"}


def build(full_name: str, model: str, options: Mapping[str, Any]) -> ReadyFeatures:
    """Return the stand-in; it has no options."""
    return ReadyFeatures(name=full_name, modality="features")


FAMILY = EncoderFamily(
    name="none",
    build=build,
)
