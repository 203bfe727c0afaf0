"""Names and options of encoders, before anything is loaded."""

import pytest

from sigmoidf1.encoders import encoder_names, get_encoder
from sigmoidf1.errors import InputError


def test_names():
    assert encoder_names() == ["hf:MODEL", "minilm", "none", "timm:MODEL"]


def test_absent_means_none():
    for options in (None, {}, {"name": "none"}):
        assert get_encoder(options).modality == "features"


def test_options_reach_the_encoder():
    encoder = get_encoder({"name": "hf:some/model", "pooling": "last", "max_length": 64})
    assert (encoder.model, encoder.pooling, encoder.max_length) == ("some/model", "last", 64)
    assert (encoder.normalize, encoder.precision) == (False, "auto")
    assert get_encoder({"name": "timm:resnet18.a1_in1k"}).modality == "image"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("minilm", "encoder must be a mapping that names the encoder"),
        ({"pooling": "mean"}, "encoder must be a mapping that names the encoder"),
        ({"name": "minilmm"}, "Unknown encoder 'minilmm'. Did you mean 'minilm'?"),
        ({"name": "bert"}, "Known: hf:MODEL, minilm, none, timm:MODEL."),
        ({"name": "minilm:v2"}, "encoder 'minilm' takes no model's name"),
        ({"name": "hf:"}, "Write hf:MODEL."),
        ({"name": "timm"}, "Write timm:MODEL."),
        ({"name": "minilm", "pooling": "cls"}, "Unknown option of encoder 'minilm' 'pooling'"),
        ({"name": "hf:m", "pool": "cls"}, "Did you mean 'pooling'?"),
        ({"name": "hf:m", "pooling": "avg"}, "one of cls, mean, max, last, but got 'avg'"),
        ({"name": "hf:m", "max_length": 0}, "a whole number >= 1 or null, but got 0"),
        ({"name": "hf:m", "normalize": "yes"}, "true or false, but got 'yes'"),
        ({"name": "minilm", "precision": "fp16"}, "one of auto, float32, bfloat16"),
    ],
)
def test_bad_names_and_options_get_one_clear_line(options, message):
    with pytest.raises(InputError) as caught:
        get_encoder(options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
