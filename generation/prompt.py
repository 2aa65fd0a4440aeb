"""What the text encoders read of a prompt, and what they do not."""

import copy
import threading
from typing import Any


class PromptReader:
    """Reads prompts beside whatever runs; several threads may share one.

    A tokenizer holds the padding and truncation of its last call, so this one works on a copy of its own.

    Args:
        tokenizer: the pipeline's, a `CLIPTokenizer`.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = copy.deepcopy(tokenizer)
        self._lock = threading.Lock()

    def unread(self, text: str) -> str:
        """The end of `text` that does not fit the tokenizer's `model_max_length`; empty when all of it is read.

        CLIP's encoders read a fixed number of tokens, a begin and an end mark included, and drop the rest silently.
        """
        limit = self._tokenizer.model_max_length
        with self._lock:
            read = self._tokenizer(text, truncation=False, return_offsets_mapping=True, verbose=False)
        places = read["offset_mapping"]
        return text[places[limit - 1][0] :].strip() if len(places) > limit else ""

    def note(self, field: str, text: str) -> str | None:
        """A note that names the words without effect, None when there are none."""
        rest = self.unread(text)
        if not rest:
            return None
        limit = self._tokenizer.model_max_length
        return f'{field}: too long, the text encoders read {limit} tokens. Without effect: "{rest}".'
