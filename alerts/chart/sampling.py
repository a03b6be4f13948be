"""The sampling limit of a source: a waveform is refused, because a chart keeps four values of a minute."""

from collections import defaultdict
from datetime import datetime

VALUES_A_SECOND = 10
"""Distinct times of one patient, source and kind in one second of one delivery; what comes beyond is refused."""

WHY = (
    f"effective: more than {VALUES_A_SECOND} values a second, and a waveform is not charted; send one a second, at most"
    f" {VALUES_A_SECOND}"
)


class Sampling:
    """The times of one delivery. Values of one time are no waveform, however many: the chart keeps few of them."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, str, str, datetime], set[datetime]] = defaultdict(set)

    def why_refused(self, patient: str, source: str, kind: str, at: datetime) -> str:
        """The reason why the next value is refused as part of a waveform; empty if it is not."""
        times = self._times[patient, source, kind, at.replace(microsecond=0)]
        if at in times:
            return ""
        if len(times) >= VALUES_A_SECOND:
            return WHY
        times.add(at)
        return ""
