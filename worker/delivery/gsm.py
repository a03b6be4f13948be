"""The GSM alphabet of text messages. One character outside it makes a message UCS-2: 70 characters, twice the price."""

import unicodedata

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""GSM 03.38, the default alphabet: seven bits each."""

EXTENDED = frozenset("^{}\\[~]|€")
"""Its extension: fourteen bits each."""

SUBSTITUTES = str.maketrans(
    {
        "≥": ">=",
        "≤": "<=",
        "≈": "~",
        "±": "+-",
        "–": "-",
        "—": "-",
        "−": "-",
        "‑": "-",
        "→": "->",
        "×": "x",
        "·": "*",
        "•": "-",
        "…": "...",
        "°": "",
        "µ": "u",
        "μ": "u",
        "’": "'",
        "‘": "'",
        "“": '"',
        "”": '"',
        "«": '"',
        "»": '"',
        "⁹": "^9",
        "\t": " ",
    }
)


def gsm7(text: str) -> str:
    """The text in the GSM alphabet; a character without a counterpart becomes `?`."""
    return "".join(_letter(letter) for letter in text.translate(SUBSTITUTES))


def _letter(letter: str) -> str:
    if letter in BASIC or letter in EXTENDED:
        return letter
    plain = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    return plain if plain and all(part in BASIC for part in plain) else "?"


def septets(text: str) -> int:
    """How many of the 160 septets of a text message a text takes."""
    return sum(2 if letter in EXTENDED else 1 for letter in text)
