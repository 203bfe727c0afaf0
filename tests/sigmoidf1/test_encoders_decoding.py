"""Image files of every kind: decoded right, or one clear line."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from sigmoidf1.encoders.decoding import read_image
from sigmoidf1.errors import InputError

RAMP = np.linspace(0, 255, 64 * 48).reshape(48, 64).round().astype(np.uint8)
COLOUR = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=2)
ORIENTATION = 0x0112


def read(path, **options):
    return np.asarray(read_image(str(path), **options)[0]).astype(int)


def png(width, height, lines):
    """A PNG of 16 bits a channel, which Pillow does not write."""

    def chunk(name, content):
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def save(tmp_path, image, name, **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("mode", "suffix", "tolerance"),
    [
        ("RGB", "png", 0),
        ("RGB", "jpg", 12),
        ("RGB", "webp", 40),
        ("RGB", "bmp", 0),
        ("RGB", "tif", 0),
        ("CMYK", "jpg", 12),
        ("CMYK", "tif", 2),
        ("YCbCr", "jpg", 12),
        ("P", "png", 60),
        ("P", "gif", 60),
    ],
)
def test_colours_survive(tmp_path, mode, suffix, tolerance):
    path = save(tmp_path, Image.fromarray(COLOUR).convert(mode), f"image.{suffix}")
    assert np.abs(read(path) - COLOUR).max() <= tolerance


@pytest.mark.parametrize("suffix", ["png", "tif", "ppm"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path, suffix):
    path = save(tmp_path, Image.fromarray(RAMP.astype(np.uint16) * 257), f"image.{suffix}")
    assert (read(path) == RAMP[..., None]).all()


def test_16_bit_colour_is_scaled_not_clipped(tmp_path):
    wide = (COLOUR.astype(">u2") * 257).astype(">u2")
    path = tmp_path / "image.png"
    path.write_bytes(png(64, 48, b"".join(b"\0" + line.tobytes() for line in wide)))
    assert (read(path) == COLOUR).all()


def test_greyscale_and_one_bit(tmp_path):
    grey = Image.fromarray(RAMP)
    assert (read(save(tmp_path, grey, "grey.png")) == RAMP[..., None]).all()
    bits = read(save(tmp_path, grey.convert("1", dither=0), "bits.png"))
    assert set(np.unique(bits)) == {0, 255}


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_on_white(tmp_path, mode):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, 4:, 3] = 255  # black: transparent on the left, opaque on the right
    image = Image.fromarray(pixels)
    seen = read(save(tmp_path, image.convert(mode), "image.png"))
    assert (seen[:, :4] == 255).all()
    assert (seen[:, 4:] == 0).all()
    half = Image.fromarray(np.full((4, 4, 4), [0, 0, 0, 128], np.uint8))
    assert abs(read(save(tmp_path, half, "half.png")) - 127).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path, orientation):
    upright = Image.fromarray(COLOUR)
    stored = {  # the operation that turns the upright image into what such a camera stores
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = upright if stored is None else upright.transpose(stored)
    path = save(tmp_path, image, "image.png", exif=exif)
    assert (read(path) == COLOUR).all()


def test_damaged_exif_does_not_cost_the_image(tmp_path):
    path = save(tmp_path, Image.fromarray(COLOUR), "image.png", exif=b"Exif\0\0no TIFF at all")
    assert (read(path) == COLOUR).all()


def test_large_jpegs_are_decoded_at_a_fraction(tmp_path):
    large = Image.fromarray(COLOUR).resize((1600, 1200), Image.Resampling.BICUBIC)
    path = save(tmp_path, large, "large.jpg", quality=95)
    image, digest = read_image(str(path), side=100)
    assert image.size == (400, 300)
    assert digest == read_image(str(path))[1]
    whole = np.asarray(read_image(str(path))[0].resize((400, 300), Image.Resampling.BOX))
    assert np.abs(np.asarray(image).astype(int) - whole).mean() < 1


def truncated_jpeg():
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()[:2000]


def stored(mode, kind="TIFF", size=(64, 48)):
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "it is not there"),
        (b"", "it is no image of a known kind; it is empty"),
        (b"<!DOCTYPE html><p>404</p>", "it begins with b'<!DOCTYPE ht'"),
        (truncated_jpeg(), "image file is truncated"),
        (truncated_jpeg()[:30], "Truncated File Read"),
        (stored("RGB", "PNG")[:60], "file is truncated"),
        (stored("F"), "its pixels are 32-bit floats, whose range nothing states"),
        (stored("I"), "its pixels are 32-bit integers, whose range nothing states"),
        (stored("L", "PNG", (2000, 3)), "its sides, 2000 × 3, differ more than 100 times"),
        (png(20000, 20000, b""), "it has more than 178,956,970 pixels"),
    ],
)
def test_what_cannot_be_decoded_gets_one_line(tmp_path, content, reason):
    path = tmp_path / "bad.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        read_image(str(path))
    line = str(caught.value)
    assert str(path) in line
    assert "set data.on_error to skip" in line
    assert "\n" not in line
    assert "0x" not in line


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(InputError, match="Is a directory"):
        read_image(str(tmp_path))
