"""From image files of any kind to RGB pixels, or one clear line on why not."""

from __future__ import annotations

import hashlib
import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sigmoidf1.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

_LARGEST_RATIO = 100
"""Sides that differ more would need gigabytes once the short one is scaled to a model's size."""

_DRAFT_FACTOR = 2
"""A JPEG is decoded at a half, quarter or eighth while its sides stay this many times as large
as the model needs: the scaling proper, which follows, then averages over whole pixels."""

_GREY_16 = ("PNG", "PPM")
"""Formats whose 16-bit grey Pillow may hold as 32-bit integers up to 65,535."""


def read_image(path: str, *, side: int | None = None) -> tuple[Image, bytes]:
    """Read one image file as RGB, upright, 8 bits a channel.

    EXIF rotation is applied. Greyscale, palette, CMYK (as Adobe stores it) and 1-bit images are
    converted; transparent ones are laid on white; of 16 bits a channel the upper 8 are kept; of
    an animation the first frame. Integers or floats of 32 bits have no agreed range and are
    refused.

    Args:
        path: the file.
        side: the shorter side in pixels that the caller scales to; large JPEGs are then decoded
            at a fraction of their size. None decodes every pixel.

    Returns:
        The image, and the SHA-256 of the file's bytes.

    Raises:
        InputError: one line that names the file, if it is missing, unreadable, truncated, no
            image, of no agreed range, or more than 100 times as long as wide.
    """
    from PIL import Image, UnidentifiedImageError

    content = b""
    try:
        content = Path(path).read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            if side is not None:
                image.draft(None, (_DRAFT_FACTOR * side, _DRAFT_FACTOR * side))
            image.load()
            _check_shape(image)
            return _to_rgb(_upright(image), image.format), hashlib.sha256(content).digest()
    except FileNotFoundError:
        reason = "it is not there"
    except UnidentifiedImageError:
        reason = "it is no image of a known kind; " + (
            f"it begins with {content[:12]!r}" if content else "it is empty"
        )
    except Image.DecompressionBombError:
        reason = f"it has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
    except OSError as error:
        reason = error.strerror or str(error)
    except (SyntaxError, ValueError, struct.error, IndexError, KeyError, EOFError) as error:
        # Pillow's readers raise any of these on damaged headers.
        reason = str(error) or type(error).__name__
    raise InputError(
        f"every image must be whole and readable, but {path} is not "
        f"({' '.join(reason.split()).rstrip('.')}). Restore the file, remove its example, or set "
        "data.on_error to skip."
    )


def _check_shape(image: Image) -> None:
    width, height = image.size
    if max(width, height) > _LARGEST_RATIO * min(width, height):
        raise ValueError(f"its sides, {width} × {height}, differ more than {_LARGEST_RATIO} times")


def _upright(image: Image) -> Image:
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, struct.error, KeyError, TypeError, EOFError):
        return image  # damaged EXIF says nothing about the pixels, which are whole


def _to_rgb(image: Image, file_format: str | None) -> Image:
    from PIL import Image

    if image.mode.startswith("I;16") or (image.mode == "I" and file_format in _GREY_16):
        # Pillow keeps the upper byte of 16-bit colour itself, but clips 16-bit grey at 255.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(
            f"its pixels are 32-bit {'integers' if image.mode == 'I' else 'floats'}, whose range "
            "nothing states; save it with 8 or 16 bits"
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")
