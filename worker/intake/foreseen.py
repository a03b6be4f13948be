"""Checks that foresee what the chart will reject, so that the acknowledgement can report it."""

from datetime import datetime

from alerts.chart.charting import why_unusable
from alerts.chart.sampling import WHY as WAVEFORM
from alerts.chart.sampling import Sampling
from alerts.messages import MESSAGE
from config.site import Site
from worker.intake.parsed import ElementOutcome, ElementResult, Native, Parsed, refused


def foreseen(parsed: Parsed, now: datetime, site: Site) -> Parsed:
    """Dead-letter the elements whose time lies too far in the future. The chart still shows their messages.

    Parsing has checked units and values already. Samples of a waveform are refused.
    """
    sampling = Sampling()
    items = (
        item._replace(elements=tuple(_foreseen(one, sampling, now, site) for one in item.elements))
        for item in parsed.items
    )
    return parsed._replace(items=tuple(items))


def _foreseen(element: ElementResult, sampling: Sampling, now: datetime, site: Site) -> ElementResult:
    if element.outcome is not ElementOutcome.STORED:
        return element
    if any(_is_of_a_waveform(native, sampling) for native in element.messages):
        return refused(element.where, WAVEFORM)
    why = next((why for native in element.messages if (why := _why(native, now, site))), "")
    return element._replace(outcome=ElementOutcome.DEAD_LETTER, why=why) if why else element


def _is_of_a_waveform(native: Native, sampling: Sampling) -> bool:
    if native["type"] != "reading":
        return False
    at = datetime.fromisoformat(native["effective"])
    return bool(sampling.why_refused(native["patient"], native["source"], native["reading"], at))


def _why(native: Native, now: datetime, site: Site) -> str:
    if datetime.fromisoformat(native["effective"]) <= now:
        return ""
    return why_unusable(MESSAGE.validate_python(native), now, site)
