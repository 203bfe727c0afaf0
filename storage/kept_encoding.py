"""Safetensors files of kept cells: encoded, written whole or not at all, read when unaltered."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from storage.errors import StoreError

Array = npt.NDArray[Any]
_METADATA = "kept"


class KeptFileError(StoreError):
    """A kept file is missing, altered, or not what it should be."""


def encode_tensors(tensors: Mapping[str, Array], metadata: Mapping[str, Any]) -> bytes:
    """Return a safetensors file's bytes: equal content gives equal bytes."""
    from safetensors.numpy import save

    # One key: the format keeps several in no fixed order, and equal content should be equal bytes.
    text = json.dumps(metadata, sort_keys=True, ensure_ascii=True)
    plain = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    return bytes(save(plain, {_METADATA: text}))


def read_checked(path: Path, sha256: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the tensors and the metadata of a file whose every byte was checked.

    Raises:
        KeptFileError: it is missing, its checksum differs, or it is no kept file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    sweep = path.parent.name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise KeptFileError(
            f"The kept file {path} must be there, but cannot be read ({error.strerror}). "
            f"{advice(sweep)}"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise KeptFileError(
            f"The kept file {path} must have SHA-256 {sha256[:12]}…, but has {found[:12]}…: it "
            f"was altered or damaged. {advice(sweep)}"
        )
    try:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        return load(content), json.loads(header["__metadata__"][_METADATA])
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise KeptFileError(f"{path} is no file of a kept head. {advice(sweep)}") from error


def advice(sweep: str) -> str:
    """Say how a sweep's kept files are made anew."""
    return f"Make the kept files anew: sigmoidf1 sweep keep {sweep}"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is seen whole or not at all.

    Raises:
        KeptFileError: the place cannot be written; an older file stays as it was.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise KeptFileError(
            f"The kept file {path} must be writable, but got: {error.strerror or error}. "
            "Free some space or change the folder's permissions."
        ) from error
