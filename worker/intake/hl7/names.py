"""Ids of results that have none: a hash of what distinguishes them."""

import hashlib


class Named:
    """The common prefix of many ids, hashed once: the whole message, or patient and order."""

    def __init__(self, common: bytes) -> None:
        self._common = hashlib.sha256(common)

    def followed_by(self, own: bytes) -> str:
        """The id of one of them, from the part that it does not share."""
        whole = self._common.copy()
        whole.update(own)
        return f"hl7/{whole.hexdigest()[:32]}"


def joined(*parts: str) -> bytes:
    """Join parts so that no two sequences of parts collide."""
    return "\x1f".join(parts).encode(errors="surrogatepass")
