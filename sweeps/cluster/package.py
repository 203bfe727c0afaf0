"""What a submitted sweep takes along: its spec, the files it names, the code, the store's URL."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from sweeps.cluster.shipping import PACKAGES, stage_code
from sweeps.errors import SweepError
from sweeps.spec import SweepSpec

SPEC_FILE = "sweep.yaml"
STORE_MODULE = "sigmoidf1_store"  # a folder on the driver's path; its workers do not get it
STORE_FILE = "url"
MAX_BYTES = 200 * 2**20
_DATA_KEYS = ("path", "file", "table", "images")
_ENCODER_KEYS = ("name", "weights")
_WEIGHTS_PREFIX = "weights:"


@dataclass(frozen=True)
class Package:
    """A folder to be sent, and what it does not hold.

    Attributes:
        folder: the job's working folder: what it holds is found by relative paths.
        sent: relative paths of the data files and folders in it.
        shared: absolute paths in the spec, which the cluster's nodes must have themselves.
        size_bytes: of the data files.
        with_code: whether the program's packages are in it.
    """

    folder: Path
    sent: list[str]
    shared: list[str]
    size_bytes: int
    with_code: bool


def make_package(spec: SweepSpec, folder: Path, *, with_code: bool) -> Package:
    """Put a spec and the files that it names by relative paths into a folder.

    Args:
        spec: the checked spec; it is written with its ``--set`` changes.
        folder: an empty folder, the job's working folder.
        with_code: put the program's packages into it as well.

    Raises:
        SweepError: a relative path is not there, leads out of the current folder or has the name
            of a part of the job, or the files are too many to be sent.
    """
    sent, shared, size_bytes = [], [], 0
    for path in dict.fromkeys(named_paths(spec)):
        if path.is_absolute():
            shared.append(str(path))
            continue
        _check_inside(path)
        size_bytes += _size_bytes(path)
        sent.append(path.as_posix())
    if size_bytes > MAX_BYTES:
        raise SweepError(
            f"the files that a sweep takes along must have at most {MAX_BYTES // 2**20} MiB, but "
            f"{', '.join(sent)} have {size_bytes // 2**20}. Put them where every node of the "
            "cluster finds them, and name them in the spec by their absolute path."
        )
    for name in sent:
        source, target = Path(name), folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)
    _check_names(folder, with_code=with_code)
    text = yaml.safe_dump(spec.to_plain(), sort_keys=False, allow_unicode=True)
    (folder / SPEC_FILE).write_text(text, encoding="utf-8")
    if with_code:
        stage_code(folder)
    return Package(folder, sent, shared, size_bytes, with_code)


def write_store_module(folder: Path, store_url: str) -> Path:
    """Write a store's URL into a folder that only its owner can read, and return the folder.

    A job's environment variables would be written into Ray's logs on every node, and its command
    into the list of processes.
    """
    module = folder / STORE_MODULE
    module.mkdir(mode=0o700)
    # Ray names what is sent by a hash of its content: nobody shall try passwords against it.
    for name, content in ((STORE_FILE, store_url.encode()), ("salt", os.urandom(32))):
        descriptor = os.open(module / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    return module


def named_paths(spec: SweepSpec) -> Iterator[Path]:
    """The files and folders that a spec names, relative ones as they are written."""
    root = spec.data.get("root")
    named = [spec.data[key] for key in _DATA_KEYS if isinstance(spec.data.get(key), str)]
    if root is not None and not named:
        yield Path(root)
    for value in named:
        yield Path(root or ".", value)
    for key in _ENCODER_KEYS:
        value = spec.encoder.get(key)
        if not isinstance(value, str):
            continue
        # Other names of encoders may contain a slash without being a path.
        is_file = value.startswith(_WEIGHTS_PREFIX) or Path(value).exists()
        if is_file:
            yield Path(value.removeprefix(_WEIGHTS_PREFIX))


def _check_inside(path: Path) -> None:
    if not path.exists():
        raise SweepError(
            f"what a spec names by a relative path is sent with the sweep, but {path} is not in "
            f"{Path.cwd()}. Submit from the folder in which it is, or write an absolute path that "
            "all nodes of the cluster have."
        )
    if not path.resolve().is_relative_to(Path.cwd().resolve()):
        raise SweepError(
            f"what is sent with a sweep must lie in the current folder, but {path} leads out of "
            f"it. Submit from a folder above it, or write an absolute path that all nodes of the "
            "cluster have."
        )


def _check_names(folder: Path, *, with_code: bool) -> None:
    """Check that what was put into a job's folder leaves its own names free."""
    own = [SPEC_FILE, *(PACKAGES if with_code else ())]
    taken = [name for name in own if os.path.lexists(folder / name)]
    if taken:
        raise SweepError(
            f"what is sent with a sweep must not be called like a part of its job, but got "
            f"{', '.join(taken)} in {Path.cwd()}. Move or rename it, or write an absolute path "
            "that all nodes of the cluster have."
        )


def _size_bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
