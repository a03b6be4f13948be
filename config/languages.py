"""The languages that people read: English, which stands in the code, and a gettext catalogue for every other.

A catalogue is one file, `config/locales/LANGUAGE.po`; its message ids are the English texts. Whoever adds a language
adds that file (docs/developers/languages.md).
"""

import gettext
from functools import cache
from io import BytesIO
from pathlib import Path

LOCALES = Path(__file__).parent / "locales"

ENGLISH = "en"


@cache
def languages() -> tuple[str, ...]:
    """Every language with a catalogue, English first."""
    return (ENGLISH, *sorted(path.stem for path in LOCALES.glob("*.po")))


@cache
def translations(language: str) -> gettext.NullTranslations:
    """The catalogue of a language, loaded on first use. English has none."""
    if language == ENGLISH:
        return gettext.NullTranslations()
    # Babel takes 0.1 s to import, and most commands speak English alone.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = BytesIO()
    with (LOCALES / f"{language}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
