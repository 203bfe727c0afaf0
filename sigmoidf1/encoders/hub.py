"""Where the files of a Hugging Face model are: a folder, the hub's cache, or else a download."""

from __future__ import annotations

from pathlib import Path

from sigmoidf1.data_root import within_data_root
from sigmoidf1.errors import InputError

CONFIG_FILES = ("*.json", "*.txt", "*.model")
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


def find_model(model: str, *, name: str) -> Path:
    """Return the folder of a model: a local one, the hub's cache, or else a download.

    Nothing reaches out to the network if the model is on disk.

    Args:
        model: a folder, or a name on the hub.
        name: the encoder's full name, for messages.

    Raises:
        InputError: if it is neither on disk nor to be had.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        find_model_weights(within_data_root(folder, "encoder.name"), name=name)
        return folder
    if model.startswith((".", "/", "~")):
        raise InputError(
            f"encoder {name} names a folder, but {folder} is not there. Correct encoder.name."
        )
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return _whole(snapshot_download(model, local_files_only=True), name=name)
    except (OSError, InputError):
        pass
    except HFValidationError as error:
        raise InputError(
            f"encoder {name} must name a model of the hub (OWNER/NAME) or a folder, but "
            f"{model!r} is neither. Correct encoder.name."
        ) from error
    try:
        if constants.HF_HUB_OFFLINE:
            raise OSError("HF_HUB_OFFLINE is set")
        from sigmoidf1.encoders.text import quiet_transformers

        with quiet_transformers():
            path = snapshot_download(model, allow_patterns=[*CONFIG_FILES, _WEIGHTS[0]])
            if not any(Path(path).glob(_WEIGHTS[0])):
                path = snapshot_download(model, allow_patterns=[*CONFIG_FILES, _WEIGHTS[1]])
        return _whole(path, name=name)
    except (OSError, HfHubHTTPError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(
            f"encoder {name} must be on disk or downloadable, but {model!r} is not in "
            f"{constants.HF_HUB_CACHE} and could not be downloaded ({reason}). "
            f"Where there is a network, run: hf download {model} --local-dir FOLDER; "
            "then copy FOLDER here and set encoder.name to hf:FOLDER"
        ) from error


def _whole(folder: str, *, name: str) -> Path:
    """Return the folder if it holds weights: the hub's cache may hold a part of a model."""
    find_model_weights(Path(folder), name=name)
    return Path(folder)


def find_model_weights(folder: Path, *, name: str) -> list[Path]:
    """Return the files of weights: those in safetensors, else pickled ones."""
    for pattern in _WEIGHTS:
        found = sorted(folder.glob(pattern))
        if found and (folder / "config.json").is_file():
            return found
    raise InputError(
        f"encoder {name} must have config.json and weights (model.safetensors), but {folder} "
        f"lacks them. Copy the whole model there."
    )
