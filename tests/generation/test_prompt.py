"""Words that the text encoders never read are named."""

import pytest

from generation.prompt import PromptReader
from tests.tiny_engine import byte_tokenizer


@pytest.fixture(scope="module")
def reader():
    return PromptReader(byte_tokenizer())


def test_what_fits_is_read(reader):
    assert reader.unread("a" * 75) == ""
    assert reader.note("prompt", "") is None


def test_the_words_that_fall_off_are_named(reader):
    text = "a" * 70 + " cook in red"
    rest = reader.unread(text)
    assert rest and text.endswith(rest) and len(text.replace(" ", "")) - len(rest.replace(" ", "")) == 75
    note = reader.note("prompt", text)
    assert note is not None
    assert rest in note and "77 tokens" in note
