"""Random views of an image: flip, RandAugment, Cutout; seeded by content, not by order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sigmoidf1.options import Option

if TYPE_CHECKING:
    from PIL.Image import Image

_GREY = (124, 116, 104)
"""ImageNet's mean colour, for what is moved in from outside the image or cut out."""

_LARGEST_MAGNITUDE = 30


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How random views of a training image are drawn.

    A view is a horizontal flip with probability `flip`, then `operations` of RandAugment's 14
    operations drawn with replacement, each at `magnitude` of 30 with a random sign, then one
    square of side `cutout` times the image's set to grey around a random centre (Cutout).

    Every draw comes from a generator seeded by the image file's content, the view's number and
    `seed`: a view is the same in whatever order, on whatever worker, and beside whatever other
    images it is made.

    Args:
        views: k, the number of views of each training image.
        operations: operations of RandAugment in a row, 0 for none.
        magnitude: their strength, 0 to 30.
        cutout: side of the square, as a share of the image's, 0 to 1; 0 for none.
        flip: probability of a horizontal flip.
        seed: seed of all draws.

    Source: Cubuk et al. 2019 (RandAugment; ranges as in torchvision's), DeVries and Taylor 2017
        (Cutout). The paper's authors used both, with 2 operations at 9 and Cutout of 0.5.
    """

    views: int
    operations: int = 2
    magnitude: int = 9
    cutout: float = 0.5
    flip: float = 0.5
    seed: int = 0

    def identity(self) -> dict[str, Any]:
        """Return all that decides a view beside its number, JSON-safe."""
        return {key: value for key, value in asdict(self).items() if key != "views"}

    def draw(self, image: Image, *, content: bytes, view: int) -> Image:
        """Return one random view of an RGB image, of the same size.

        Args:
            image: RGB, already scaled and cropped for the model.
            content: SHA-256 of the image's file.
            view: the view's number, from 0.
        """
        from PIL import ImageOps

        digest = hashlib.sha256(content + f"view {view} seed {self.seed}".encode()).digest()
        generator = np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))
        if generator.random() < self.flip:
            image = ImageOps.mirror(image)
        strength = self.magnitude / _LARGEST_MAGNITUDE
        for place in generator.integers(0, len(_OPERATIONS), self.operations):
            sign = 1 if generator.random() < 0.5 else -1
            image = _OPERATIONS[place](image, strength, sign)
        return _cut_out(image, self.cutout, generator) if self.cutout > 0 else image


def augmentation_from(options: Mapping[str, Any]) -> Augmentation | None:
    """Return the augmentation that an encoder's options describe; None without views."""
    if not options["augment_views"]:
        return None
    prefix = "augment_"
    return Augmentation(
        **{k.removeprefix(prefix): v for k, v in options.items() if k.startswith(prefix)}
    )


def _affine(image: Image, *, x: tuple[float, ...], y: tuple[float, ...]) -> Image:
    from PIL import Image as Images

    return image.transform(
        image.size,
        Images.Transform.AFFINE,
        (*x, *y),
        resample=Images.Resampling.BILINEAR,
        fillcolor=_GREY,
    )


def _shear_x(image: Image, strength: float, sign: int) -> Image:
    shear = 0.3 * strength * sign
    return _affine(image, x=(1, shear, -shear * image.height / 2), y=(0, 1, 0))


def _shear_y(image: Image, strength: float, sign: int) -> Image:
    shear = 0.3 * strength * sign
    return _affine(image, x=(1, 0, 0), y=(shear, 1, -shear * image.width / 2))


def _translate_x(image: Image, strength: float, sign: int) -> Image:
    return _affine(image, x=(1, 0, 150 / 331 * image.width * strength * sign), y=(0, 1, 0))


def _translate_y(image: Image, strength: float, sign: int) -> Image:
    return _affine(image, x=(1, 0, 0), y=(0, 1, 150 / 331 * image.height * strength * sign))


def _rotate(image: Image, strength: float, sign: int) -> Image:
    from PIL import Image as Images

    return image.rotate(30 * strength * sign, resample=Images.Resampling.BILINEAR, fillcolor=_GREY)


def _enhance(name: str) -> Callable[[Image, float, int], Image]:
    def operation(image: Image, strength: float, sign: int) -> Image:
        from PIL import ImageEnhance

        return getattr(ImageEnhance, name)(image).enhance(1 + 0.9 * strength * sign)

    return operation


def _posterize(image: Image, strength: float, sign: int) -> Image:
    from PIL import ImageOps

    return ImageOps.posterize(image, 8 - round(4 * strength))


def _solarize(image: Image, strength: float, sign: int) -> Image:
    from PIL import ImageOps

    return ImageOps.solarize(image, round(256 * (1 - strength)))


def _autocontrast(image: Image, strength: float, sign: int) -> Image:
    from PIL import ImageOps

    return ImageOps.autocontrast(image)


def _equalize(image: Image, strength: float, sign: int) -> Image:
    from PIL import ImageOps

    return ImageOps.equalize(image)


def _unchanged(image: Image, strength: float, sign: int) -> Image:
    return image


_OPERATIONS: tuple[Callable[[Image, float, int], Image], ...] = (
    _unchanged,
    _shear_x,
    _shear_y,
    _translate_x,
    _translate_y,
    _rotate,
    _enhance("Brightness"),
    _enhance("Color"),
    _enhance("Contrast"),
    _enhance("Sharpness"),
    _posterize,
    _solarize,
    _autocontrast,
    _equalize,
)


def _cut_out(image: Image, share: float, generator: np.random.Generator) -> Image:
    width, height = image.size
    x, y = generator.random() * width, generator.random() * height
    half_x, half_y = share * width / 2, share * height / 2
    left, right = max(round(x - half_x), 0), min(round(x + half_x), width)
    top, bottom = max(round(y - half_y), 0), min(round(y + half_y), height)
    image = image.copy()
    image.paste(_GREY, (left, top, right, bottom))
    return image


AUGMENTATION = (
    Option(
        name="augment_views",
        kind="int",
        description="randomly augmented views of each training image to embed beside the plain "
        "one, for heads that train on a new view every epoch",
        default=0,
        minimum=0,
        maximum=1000,
    ),
    Option(
        name="augment_operations",
        kind="int",
        description="operations of RandAugment in a row",
        default=2,
        minimum=0,
        maximum=14,
    ),
    Option(
        name="augment_magnitude",
        kind="int",
        description="strength of RandAugment's operations",
        default=9,
        minimum=0,
        maximum=_LARGEST_MAGNITUDE,
    ),
    Option(
        name="augment_cutout",
        kind="float",
        description="side of Cutout's square, as a share of the image's",
        default=0.5,
        minimum=0,
        maximum=1,
    ),
    Option(
        name="augment_flip",
        kind="float",
        description="probability of a horizontal flip",
        default=0.5,
        minimum=0,
        maximum=1,
    ),
    Option(
        name="augment_seed",
        kind="int",
        description="seed of the views",
        default=0,
        minimum=0,
    ),
)
