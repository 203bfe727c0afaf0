"""Names and options of encoders, before anything is loaded."""

import pytest

from sigmoidf1.encoders import encoder_names, get_encoder
from sigmoidf1.errors import InputError


def test_names():
    assert encoder_names() == ["hf:MODEL", "minilm", "none", "timm:MODEL", "weights:MODEL"]


def test_absent_means_none():
    for options in (None, {}, {"name": "none"}):
        assert get_encoder(options).modality == "features"


def test_options_reach_the_encoder():
    encoder = get_encoder({"name": "hf:some/model", "pooling": "last", "max_length": 64})
    assert (encoder.model, encoder.pooling, encoder.max_length) == ("some/model", "last", 64)
    assert (encoder.normalize, encoder.precision) == (False, "auto")
    assert get_encoder({"name": "timm:resnet18.a1_in1k"}).modality == "image"
    assert get_encoder({"name": "weights:./w.pth", "match": "order"}).path == "./w.pth"


def test_views_are_off_unless_asked_for():
    assert get_encoder({"name": "timm:resnet18"}).augmentation is None
    drawn = get_encoder({"name": "timm:resnet18", "augment_views": 3, "augment_cutout": 0})
    assert (drawn.augmentation.views, drawn.augmentation.cutout) == (3, 0)


def test_a_hugging_face_model_becomes_what_the_data_need():
    encoder = get_encoder({"name": "hf:some/model"})
    assert encoder.modality is None
    assert encoder.for_modality("text").modality == "text"
    assert encoder.for_modality("image").modality == "image"
    with pytest.raises(InputError, match=r"max_length counts tokens"):
        get_encoder({"name": "hf:m", "max_length": 9}).for_modality("image")
    with pytest.raises(InputError, match=r"augment_views makes views of images"):
        get_encoder({"name": "hf:m", "augment_views": 2}).for_modality("text")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("minilm", "encoder must be a mapping that names the encoder"),
        ({"pooling": "mean"}, "encoder must be a mapping that names the encoder"),
        ({"name": "minilmm"}, "Unknown encoder 'minilmm'. Did you mean 'minilm'?"),
        ({"name": "bert"}, "Known: hf:MODEL, minilm, none, timm:MODEL, weights:MODEL."),
        ({"name": "minilm:v2"}, "encoder 'minilm' takes no model's name"),
        ({"name": "hf:"}, "Write hf:MODEL."),
        ({"name": "weights:"}, "Write weights:MODEL."),
        ({"name": "timm:m", "augment_views": -1}, "a whole number from 0 to 1000, but got -1"),
        ({"name": "timm:m", "batch_size": 0}, "a whole number >= 1 or null, but got 0"),
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
