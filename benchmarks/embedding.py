"""Embedding throughput against a bare loop that feeds the same model perfectly batched tensors.

    python benchmarks/embedding.py [--images FOLDER] [--architecture mobilenetv2_100] [--rounds 5]

The bare loop gets every batch ready made in memory: no file, no decoding, no tokeniser, no
pooling. Both run by turns in this process, so that whatever else the machine does hits both; the
number to look at is the median of the rounds' ratios. Images are those of FOLDER or, without one,
JPEGs of 640 × 480 made here. Weights do not matter for time: architectures run untrained, MiniLM
needs the extra `demo`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch

from sigmoidf1.encoders import Embedder, get_encoder
from sigmoidf1.encoders.batching import usable_cores
from sigmoidf1.encoders.decoding import read_image
from sigmoidf1.encoders.embedding import embed, pick_device, plan_chunks


def main() -> None:
    """Measure text, image and the pools of decoding workers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="a folder of images, searched below")
    parser.add_argument("--architecture", default="mobilenetv2_100", help="timm's name")
    parser.add_argument("--count", type=int, default=256, help="images, and texts")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", choices=("text", "image", "workers"))
    chosen = parser.parse_args()
    device = pick_device(chosen.device)
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.images or _make_images(Path(scratch), chosen.count)
        paths = sorted(map(str, folder.rglob("*.jpg")))[: chosen.count]
        if chosen.only in (None, "text"):
            texts = _texts(chosen.count)
            compare("text, minilm", _text_embedder(device), texts, "text", chosen.rounds)
        if chosen.only in (None, "image"):
            embedder = _image_embedder(chosen.architecture, device)
            name = f"image, {chosen.architecture}"
            compare(name, embedder, paths, "image", chosen.rounds)
        if chosen.only in (None, "workers"):
            _compare_pools(paths)


def compare(
    name: str, embedder: Embedder, inputs: Sequence[str], modality: str, rounds: int
) -> float:
    """Print and return the median ratio of throughputs, embedding over bare loop."""
    units = [u for chunk in plan_chunks(modality, inputs) for u in embedder.units(chunk)]
    prepared = [batch for unit in units for batch in embedder.prepare(inputs, unit, None).batches]
    ready = [_model_inputs(embedder, batch) for batch in prepared]

    def bare() -> None:
        with torch.inference_mode():
            for call in ready:
                result = call()
            _wait(result)

    def ours() -> None:
        embed(embedder, inputs, modality=modality)

    ratios, times = [], []
    for run in (bare, ours):
        run()
    for _ in range(rounds):
        # A, B, A: what drifts within a round falls out.
        first, middle, last = _seconds(bare), _seconds(ours), _seconds(bare)
        ratios.append((first + last) / 2 / middle)
        times.append(middle)
    ratio, took = statistics.median(ratios), statistics.median(times)
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    print(
        f"{name}: {ratio:.3f} of the bare loop (rounds {spread}), "
        f"{len(inputs) / took:.0f} inputs/s, batches of {len(prepared[0].rows)} and more"
    )
    return ratio


def _model_inputs(embedder: Embedder, batch: object) -> Callable[[], torch.Tensor]:
    """Return the bare call of the model on tensors that lie ready on its device."""
    tensors = {name: tensor.to(embedder.device) for name, tensor in batch.tensors.items()}
    if "pixels" in tensors:
        images = tensors["pixels"].permute(0, 3, 1, 2).float()
        images = (images * embedder._scale + embedder._shift).to(embedder.dtype)
        return partial(embedder.model, images)
    return lambda: embedder.model(**tensors).last_hidden_state


def _wait(result: torch.Tensor) -> None:
    if result.device.type == "cuda":
        torch.cuda.synchronize()


def _seconds(run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _text_embedder(device: torch.device) -> Embedder:
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    return get_encoder({"name": "minilm"}).open(device, dtype)


def _image_embedder(architecture: str, device: torch.device) -> Embedder:
    import timm

    from sigmoidf1.encoders.timm_models import open_embedder

    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    model = timm.create_model(architecture, pretrained=False, num_classes=0)
    return open_embedder(get_encoder({"name": f"timm:{architecture}"}), model, device, dtype)


def _texts(count: int) -> list[str]:
    """Texts of 10 to 80 words, as descriptions are."""
    generator = np.random.default_rng(0)
    words = np.array(["the", "deep", "film", "of", "war", "sea", "tumour", "cell", "loss"])
    return [" ".join(generator.choice(words, generator.integers(10, 80))) for _ in range(count)]


def _make_images(folder: Path, count: int) -> Path:
    from PIL import Image

    generator = np.random.default_rng(0)
    for index in range(count):
        # Smooth structure: noise would take a JPEG decoder longer than any photograph.
        coarse = generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC).save(
            folder / f"{index}.jpg", quality=90
        )
    return folder


def _decode(path: str) -> tuple[int, int]:
    return read_image(path)[0].size


def _decode_pixels(path: str) -> np.ndarray:
    return np.asarray(read_image(path)[0].resize((224, 224)))


def _compare_pools(paths: list[str]) -> None:
    """Print how fast images decode in one thread, in threads, and in processes."""
    workers = usable_cores()
    alone = _seconds(lambda: [_decode_pixels(path) for path in paths])
    print(f"decoding alone: {len(paths) / alone:.0f} images/s")
    for name, make in (("threads", ThreadPoolExecutor), ("processes", ProcessPoolExecutor)):
        with make(workers) as pool:
            list(pool.map(_decode, paths[:workers]))
            took = _seconds(lambda pool=pool: list(pool.map(_decode_pixels, paths, chunksize=8)))
        print(f"decoding in {workers} {name}: {len(paths) / took:.0f} images/s")


if __name__ == "__main__":
    main()
