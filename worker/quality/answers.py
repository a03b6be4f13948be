"""How people answer pages: `lognormal 3 min, 10 % never`, `fixed 4 min`, `never`."""

import math
import re
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from config.types import parse_duration

NIGHT_FROM, NIGHT_UNTIL = 20, 8
"""The responder's night, 20:00 to 08:00 on the hospital's clock."""

SIGMA = 1.45
"""Of the lognormal: median 3 min and upper quartile 8 min give ln(8 / 3) / 0.674 (EVIDENCE 3.5, ICU pages, Moss)."""

DEFAULT = "lognormal 3 min, 10 % never"


class AnswerModel(NamedTuple):
    """How long a person takes to answer a page: `median`, spread, the share never answered, and a factor at night."""

    median: timedelta
    sigma: float = 0.0
    never: float = 0.0
    nights: float = 1.0

    def wait(self, page: str, at: datetime, zone: ZoneInfo, seed: int) -> timedelta | None:
        """The time until the answer to a page; None if it is never answered. The same page gives the same answer."""
        chance = Random(f"{seed} {page}")
        if chance.random() < self.never:
            return None
        wait = self.median * math.exp(self.sigma * chance.gauss(0, 1))
        return wait * self.nights if is_night(at, zone) else wait


NOBODY = AnswerModel(timedelta(), never=1.0)


def is_night(at: datetime, zone: ZoneInfo) -> bool:
    """Whether a time is in the responder's night."""
    hour = at.astimezone(zone).hour
    return hour >= NIGHT_FROM or hour < NIGHT_UNTIL


def parse_answer(text: str) -> AnswerModel:
    """Read an answer model.

    Raises:
        ValueError: with the forms it may have.
    """
    model = None
    for part in (part.strip() for part in text.lower().split(",")):
        if part == "never":
            return NOBODY
        if match := re.fullmatch(r"(lognormal|fixed)\s+(\d.*)", part):
            model = AnswerModel(parse_duration(match[2]), SIGMA if match[1] == "lognormal" else 0.0)
        elif model and (match := re.fullmatch(r"sigma\s+(\d+(?:\.\d+)?)", part)):
            model = model._replace(sigma=float(match[1]))
        elif model and (match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%\s*never", part)):
            model = model._replace(never=float(match[1]) / 100)
        elif model and (match := re.fullmatch(r"nights\s*x\s*(\d+(?:\.\d+)?)", part)):
            model = model._replace(nights=float(match[1]))
        else:
            raise ValueError(f"{part!r}: write `lognormal 3 min, 10 % never, nights x 2`, `fixed 4 min` or `never`")
    if model is None:
        raise ValueError("an answer model begins with `lognormal`, `fixed` or `never`")
    return model
