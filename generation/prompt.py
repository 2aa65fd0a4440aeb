"""What the text encoders read of a prompt, and what they do not."""

from typing import Any


def unread(tokenizer: Any, text: str) -> str:
    """The end of `text` that does not fit the tokenizer's `model_max_length`; empty when all of it is read.

    CLIP's encoders read a fixed number of tokens, a begin and an end mark included, and drop the rest silently.
    """
    limit = tokenizer.model_max_length
    tokens = tokenizer(text, truncation=False, add_special_tokens=True, verbose=False)["input_ids"]
    return tokenizer.decode(tokens[limit - 1 : -1]).strip() if len(tokens) > limit else ""


def unread_note(tokenizer: Any, field: str, text: str) -> str | None:
    """A note that names the words without effect, None when there are none."""
    rest = unread(tokenizer, text)
    if not rest:
        return None
    return f'{field}: too long, the text encoders read {tokenizer.model_max_length} tokens. Without effect: "{rest}".'
