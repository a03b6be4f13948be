"""Ids of results without an id: a hash of what distinguishes them."""

import hashlib


class Named:
    """What many ids have in common, hashed once: the whole message, or patient and order."""

    def __init__(self, common: bytes) -> None:
        self._common = hashlib.sha256(common)

    def followed_by(self, own: bytes) -> str:
        """The id of one of them, by what it has alone."""
        whole = self._common.copy()
        whole.update(own)
        return f"hl7/{whole.hexdigest()[:32]}"


def joined(*parts: str) -> bytes:
    """Parts that cannot run into each other."""
    return "\x1f".join(parts).encode(errors="surrogatepass")
