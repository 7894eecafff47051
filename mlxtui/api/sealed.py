"""Text that a client keeps for us without being able to read or change it: reasoning, and conversations made compact.

Fernet (AES-128-CBC, then HMAC-SHA256), under a key that is derived from the server's secret. A token is as good as the
secret it was made with: whoever starts over with a new one can't open it.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mlxtui.errors import InvalidRequest

MIN_SECRET = 16


class SealKey:
    """`secret`: at least 16 random bytes, the same for as long as tokens are to be opened."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < MIN_SECRET:
            raise ValueError(f"the secret has {len(secret)} bytes, not the {MIN_SECRET} that a key needs")
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"mlxtui sealed text").derive(secret)
        self._fernet = Fernet(urlsafe_b64encode(derived))

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, token: str) -> str:
        """The text in a token of ours.

        Raises:
            InvalidRequest: it is none, was changed, or was made under another secret.
        """
        try:
            return self._fernet.decrypt(token.encode()).decode()
        except InvalidToken:
            message = "this encrypted_content was not made by this server, or has been changed; leave the item out"
            raise InvalidRequest(message, code="invalid_encrypted_content") from None
