"""Image files: found by name, read once, checked for being whole."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sigmoidf1.data_root import within_data_root
from sigmoidf1.datasets.reading.files import InsideFolder
from sigmoidf1.datasets.reading.problems import Problems, Unusable

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".jfif", ".ppm")
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}
_READERS = 8
_CHUNK = 256


class ImageFolder:
    """The images of a dataset, by file name or by what their name begins with.

    Args:
        folder: where they lie; no path may lead out of it.
        check_files: whether a missing file is a problem.
        by_name: whether an image's name is its file name alone, as for files that a library
            put in places that differ from machine to machine.
    """

    def __init__(self, folder: Path, *, check_files: bool = True, by_name: bool = False) -> None:
        # By file name alone: a library's own files, wherever it keeps them.
        self.inside = InsideFolder(folder if by_name else within_data_root(folder, "data.images"))
        self.folder = self.inside.folder
        self._by_name = by_name
        self.n_missing = 0
        self._check_files = check_files
        self._stems: dict[str, str] | None = None
        self._places: dict[str, list[str]] | None = None

    def find(self, name: str) -> str:
        """Return the path of the named image.

        A name may lack its ending, and a bare file name is found in any folder below, if it is
        there once.

        Raises:
            Unusable: if the name leads out of the folder or, where files are checked, the
                image is missing.
        """
        path = self.inside.locate(name)
        if not self.inside.exists(path):
            found = self._complete(path) or self._below(name)
            if found is not None:
                return str(found)
            self.n_missing += 1
            if self._check_files:
                raise Unusable(f"image {path} is not there")
        return str(path)

    def name_of(self, path: str) -> str:
        """Return what an image is called on every machine: its path in the folder."""
        return Path(path).name if self._by_name else Path(path).relative_to(self.folder).as_posix()

    def find_stem(self, stem: str) -> str | None:
        """Return the path of an image by its file name without ending; None if there is none."""
        if self._stems is None:
            self._stems = {Path(name).stem: name for name in self.names()}
        name = self._stems.get(stem)
        return None if name is None else self.find(name)

    def _complete(self, path: Path) -> Path | None:
        for suffix in SUFFIXES:
            for ending in (suffix, suffix.upper()):
                complete = path.with_name(path.name + ending)
                if self.inside.exists(complete):
                    return self.inside.locate(str(complete))
        return None

    def _below(self, name: str) -> Path | None:
        if "/" in name or "\\" in name:
            return None
        if self._places is None:
            self._places = {}
            for place in self.names():
                for key in {Path(place).name, Path(place).stem}:
                    self._places.setdefault(key, []).append(place)
        places = self._places.get(name, [])
        return self.inside.locate(places[0]) if len(places) == 1 else None

    def names(self) -> list[str]:
        """Return the images in the folder and below it, relative and sorted."""
        found = []
        for parent, folders, files in os.walk(self.folder):
            folders.sort()
            found += [
                os.path.relpath(os.path.join(parent, file), self.folder)  # noqa: PTH118 - speed
                for file in files
                if file.lower().endswith(SUFFIXES) and not file.startswith(".")
            ]
        return sorted(found)


def read_images(
    paths: Sequence[str], names: Sequence[str], problems: Problems
) -> list[bytes | None]:
    """Read every image once.

    Args:
        paths: N image files.
        names: their examples' ids, for messages.
        problems: told of files that are missing, unreadable, cut short or no images.

    Returns:
        The SHA-256 of each file's bytes; None where the image cannot be used.
    """
    digests: list[bytes | None] = []
    for (digest, reason), path, name in zip(_inspect_all(paths), paths, names, strict=True):
        if reason is not None:
            problems.report(
                f"every image must be a whole, readable image file, but {path} of example "
                f"{name!r} {reason}",
                "Restore the file or remove its example",
            )
        digests.append(None if reason is not None else digest)
    return digests


def _inspect_all(paths: Sequence[str]) -> Iterator[tuple[bytes, str | None]]:
    with ThreadPoolExecutor(_READERS) as pool:
        # In chunks: a pool would queue all files at once, and read on after a first problem.
        for start in range(0, len(paths), _CHUNK):
            yield from pool.map(inspect_image, paths[start : start + _CHUNK])


def inspect_image(path: str) -> tuple[bytes, str | None]:
    """Return an image file's SHA-256, and what is wrong with it or None.

    A file that does not end as its format does is decoded to see whether it is whole; others
    are not, so this takes a fraction of what decoding takes.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        return b"", "is not there"
    except OSError as error:
        return b"", f"cannot be read ({error.strerror})"
    return hashlib.sha256(content).digest(), _what_is_wrong(content)


def _what_is_wrong(content: bytes) -> str | None:
    if not content:
        return "is empty"
    try:
        from PIL import Image
    except ImportError:  # encoders that decode images bring Pillow; without them nothing to check
        return None
    try:
        with warnings.catch_warnings():
            # Odd metadata is no reason to refuse an image whose pixels decode.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as image:
                end = _ENDS.get(image.format or "")
                if end is None or not content.rstrip(b"\0\r\n ").endswith(end):
                    image.load()
    except Image.UnidentifiedImageError:
        return f"is no image (it begins with {content[:8]!r})"
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError) as error:
        return f"cannot be decoded ({' '.join(str(error).split()) or type(error).__name__})"
    except (Image.DecompressionBombError, MemoryError, OverflowError) as error:
        return f"is too large to decode ({' '.join(str(error).split())})"
    return None
