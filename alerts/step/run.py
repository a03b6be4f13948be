"""One run of `step`: the state as it changes, and the effects as they gather."""

from datetime import datetime

from alerts.assessment.assessment import Assessment
from alerts.assessment.issued_grades import Corrections, GradeToRecheck
from alerts.pages.concern import ChartCorrection
from alerts.state import Effects, PatientState
from alerts.step.compose import StepNews
from alerts.step.system_faults import close_quiet
from config.site import Site


class StepRun:
    """One run of `step`. Each part of the step changes `state` and adds to `effects` and `news`."""

    def __init__(self, state: PatientState, now: datetime, site: Site) -> None:
        self.state = close_quiet(state, now)
        self.before = state.at
        self.discharged_before = state.discharged_at is not None
        self.now = now
        self.site = site
        self.effects = Effects()
        self.news = StepNews()
        self.moments: set[datetime] = set()
        self.touched: set[tuple[str, datetime]] = set()
        self.corrected = False
        self.uncorrected = state
        self.changes: list[ChartCorrection] = []
        self.infused_before = state.chart.infused
        self.corrections = Corrections()
        self.to_recheck: list[GradeToRecheck] = []
        self.latest: Assessment | None = None

    @property
    def pages_since(self) -> datetime:
        """Findings of earlier times are charted, and no longer paged."""
        return self.now - self.site.conventions.chart.late_page_within.value
