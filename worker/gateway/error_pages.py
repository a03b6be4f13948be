"""The reasons of refusals, each with its status and the advice to the reader."""

from typing import NamedTuple

from config.site import Language


class Refusal(NamedTuple):
    """A status, the reason, and the advice. The words are the catalogue's."""

    status: int
    why: str
    more: str


_PERSONAL_LINK = "Ask for a personal link: cartwatch sign-in-link --person YOUR-ID"

BAD_LINK = Refusal(
    403,
    "This link is not valid",
    "It was not made here, or it was changed on its way. Open the page's link again, or the ward board.",
)
EXPIRED_LINK = Refusal(
    410,
    "This link has expired",
    "If the alert still stands, the newest page has a link that works. The ward board shows all.",
)
FOREIGN_LINK = Refusal(
    403,
    "This link is for somebody else",
    "It was made for somebody else, or for a page that was sent to somebody else.",
)
TOO_MANY = Refusal(429, "Too many wrong links", "Wait a minute. Links in pages still work.")
TOO_MANY_BOARDS = Refusal(429, "Too many live boards", "Close one of the boards that are open elsewhere.")
SIGN_IN_NEEDED = Refusal(401, "Sign in to see the board", _PERSONAL_LINK)
SIGN_IN_EXPIRED = Refusal(410, "This link has expired", _PERSONAL_LINK)
SIGN_IN_USED = Refusal(410, "This link was used already", _PERSONAL_LINK)
VIEW_ONLY = Refusal(
    403,
    "You may look, not answer",
    "Your role on the board is to view. The page sent to whoever is on call can be answered.",
)
NO_SUCH = Refusal(404, "Page not found", "This address does not exist here.")
NOT_OURS = Refusal(403, "This cannot be done", "The request does not come from a page of this service.")
NOT_SAVED = "Your answer was not saved. Try again; if it fails, phone the ward."
MAYBE_SAVED = "Your answer may not have been saved. Try again; if it fails, phone the ward."

STORE_DOWN = Refusal(503, "The state store cannot be reached", NOT_SAVED)
BUSY = Refusal(503, "Too many requests at once", NOT_SAVED)
BROKEN = Refusal(500, "This did not work", MAYBE_SAVED)


def unusable(why: str) -> Refusal:
    """The refusal of a form with a missing or invalid field."""
    return Refusal(400, why, "Your answer was not saved. Go back and try again.")


class Refused(Exception):
    """A refused request; `language` is the sender's, if the sender is known."""

    def __init__(self, refusal: Refusal, language: Language | None = None) -> None:
        super().__init__(refusal.why)
        self.refusal = refusal
        self.language = language
