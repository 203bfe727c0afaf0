"""Files as people publish them: where they lie, how they are encoded, what may be opened."""

from __future__ import annotations

import codecs
import gzip
import os
import zlib
from pathlib import Path

from sigmoidf1.data_root import within_data_root
from sigmoidf1.datasets.reading.problems import Unusable
from sigmoidf1.errors import InputError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def find_folder(
    root: str | None, candidates: tuple[str, ...], holds: tuple[str, ...], *, how: str
) -> Path:
    """Return the folder in or at `root` that holds what a dataset consists of.

    Args:
        root: what the user named; None is refused.
        candidates: folders relative to `root` to look in, best first; `.` is `root` itself.
        holds: names one of which must be in the folder.
        how: what to download, from where, and how the folder must look.

    Raises:
        InputError: if there is no such folder (the message ends with `how`), or if it or a name
            leads to where it must not.
    """
    if root is None:
        raise InputError(f"data.root must name the dataset's folder, but is not set. {how}")
    base = within_data_root(Path(root), "data.root")
    if not base.is_dir():
        state = "a file" if base.is_file() else "not there"
        raise InputError(f"data.root must name a folder, but {base} is {state}. {how}")
    for candidate in candidates:
        folder = base / candidate
        names = [locate(name, str(folder), option="root") for name in holds]
        if any(name.exists() for name in names):
            return folder.resolve()
    raise InputError(f"data.root must hold {' or '.join(holds)}, but {base} does not. {how}")


def locate(path: str, root: str | None, *, option: str) -> Path:
    """Return the place that an option names, in `root` if that is given; it need not be there.

    Raises:
        InputError: if it leads out of `root`, or to where this machine does not read.
    """
    place = Path(path) if root is None else Path(root, path)
    if root is not None and not _lexical(place).is_relative_to(_lexical(root)):
        raise InputError(
            f"data.{option} must name a file in data.root, but {path} leads out of {root}. "
            "Correct it."
        )
    return within_data_root(place, f"data.{option}")


def _lexical(path: str | Path) -> Path:
    """The absolute path without ``..``; links stay, which are the user's own affair."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() follows links


def find_file(path: str, root: str | None, *, option: str) -> Path:
    """Return a file that an option names, in `root` if that is given.

    Raises:
        InputError: if it is not there or a folder, or leads to where it must not.
    """
    file = locate(path, root, option=option)
    if not file.is_file():
        state = "a folder" if file.is_dir() else "not there"
        raise InputError(f"data.{option} must name a file, but {file} is {state}. Correct it.")
    return file


def read_bytes(path: Path) -> bytes:
    """Return a file's content, unpacked if its name ends in `.gz`.

    Raises:
        Unusable: if it cannot be read.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rb") as file:
                return file.read()
        return path.read_bytes()
    except FileNotFoundError as error:
        raise Unusable(f"{path} is not there") from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Unusable(f"{path} cannot be read ({reason})") from error


def decode(content: bytes, path: Path, encoding: str | None = None) -> str:
    """Return text from bytes: by byte-order mark, as UTF-8, else as Windows-1252 or Latin-1.

    Args:
        content: a file's bytes.
        path: the file, for messages.
        encoding: decode by this one alone.

    Raises:
        Unusable: if the bytes are no text, or not of the given encoding.
    """
    for mark, marked in _MARKS:
        if content.startswith(mark):
            encoding = marked
            break
    else:
        if b"\0" in content:
            raise Unusable(f"{path} holds zero bytes")
    for candidate in (encoding,) if encoding else ("utf-8", "cp1252", "latin-1"):
        try:
            return content.decode(candidate)
        except UnicodeDecodeError as error:
            if encoding:
                line = content[: error.start].count(b"\n") + 1
                raise Unusable(f"line {line} of {path} is not {encoding}") from error
        except LookupError as error:
            raise InputError(
                f"data.encoding must be an encoding that Python knows, but got {encoding!r}. "
                "Write for example utf-8 or latin-1."
            ) from error
    raise AssertionError("latin-1 decodes every byte")


def read_text(path: Path, encoding: str | None = None) -> str:
    """Return a text file's content with `\\n` line ends and no byte-order mark.

    Raises:
        Unusable: if the file cannot be read or is no text.
    """
    text = decode(read_bytes(path), path, encoding)
    return text.replace("\r\n", "\n").replace("\r", "\n")


class InsideFolder:
    """Finds files inside one folder, and refuses paths that lead out of it.

    Args:
        folder: the boundary; links inside it must not lead out either.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._parents: dict[Path, Path] = {}
        self._listings: dict[Path, frozenset[str]] = {}

    def locate(self, name: str) -> Path:
        """Return where a file lies, whether it exists or not.

        Raises:
            Unusable: if the name is no file name or leads out of the folder.
        """
        if not name or "\0" in name:
            raise Unusable(f"a file name must not be empty or hold zero bytes, but got {name!r}")
        # Tables written on Windows separate folders by backslashes.
        path = self.folder / (name if os.sep == "\\" else name.replace("\\", "/"))
        parent = self._parents.get(path.parent)
        if parent is None:
            parent = self._parents[path.parent] = path.parent.resolve()
        located = parent / path.name
        if located.is_symlink() or path.name in ("", ".", ".."):
            located = located.resolve()
        if not located.is_relative_to(self.folder):
            raise Unusable(f"paths must stay inside {self.folder}, but {name!r} leads to {located}")
        return located

    def exists(self, path: Path) -> bool:
        """Whether a located file is there; folders are listed once."""
        names = self._listings.get(path.parent)
        if names is None:
            try:
                names = frozenset(entry.name for entry in os.scandir(path.parent))
            except OSError:
                names = frozenset()
            self._listings[path.parent] = names
        return path.name in names
