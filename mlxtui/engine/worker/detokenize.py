"""Token ids to text, piece by piece: never half a character, whatever is left over at the end."""

from __future__ import annotations

from typing import Any


def text_of(detokenizer: Any, token: int | None, last: bool) -> str:
    """The text that became final with this token (None: an end-of-sequence token, which never shows).

    A character whose last bytes were never generated is dropped at the end rather than shown as U+FFFD.
    """
    if token is not None:
        detokenizer.add_token(token)
    if not last:
        return str(detokenizer.last_segment)
    whole = str(detokenizer.last_segment)
    detokenizer.finalize()
    return whole + str(detokenizer.last_segment).rstrip("\ufffd")
