"""Words that the text encoders never read are named."""

import pytest

from generation.prompt import unread, unread_note
from tests.tiny_engine import byte_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return byte_tokenizer()


def test_what_fits_is_read(tokenizer):
    assert unread(tokenizer, "a" * 75) == ""
    assert unread_note(tokenizer, "prompt", "") is None


def test_the_words_that_fall_off_are_named(tokenizer):
    text = "a" * 70 + " cook in red"
    rest = unread(tokenizer, text)
    assert rest and text.endswith(rest) and len(text.replace(" ", "")) - len(rest.replace(" ", "")) == 75
    note = unread_note(tokenizer, "prompt", text)
    assert note is not None
    assert rest in note and "77 tokens" in note
