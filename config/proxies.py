"""Typed form of `proxies.yaml`: the conventions that no consensus fixes, each with basis and owner."""

from decimal import Decimal

from pydantic import model_validator

from config.types import Configuration, Duration, Proxy


class CrsProxies(Configuration):
    """What counts as hypotension and hypoxia (mm[Hg], %), and how long a CRS statement lasts."""

    hypotension_systolic: Proxy[Decimal]
    hypotension_mean: Proxy[Decimal]
    relative_hypotension_systolic: Proxy[Decimal]
    relative_hypotension_fraction: Proxy[Decimal]
    severe_systolic: Proxy[Decimal]
    severe_mean: Proxy[Decimal]
    hypoxia_spo2: Proxy[Decimal]
    severe_spo2: Proxy[Decimal]
    waiver_tail: Proxy[Duration]
    clear_sets_apart: Proxy[Duration]
    statement_holds: Proxy[Duration]
    other_cause_holds: Proxy[Duration]
    single_vasopressor_dose_holds: Proxy[Duration]
    attribution_until_day: Proxy[int]


class IcansProxies(Configuration):
    """How long a neurological assessment describes the patient, and below which age CAPD is used (years)."""

    assessment_holds: Proxy[Duration]
    capd_below_age: Proxy[int]


class ChartProxies(Configuration):
    """How long a charted value describes the patient."""

    vitals_hold: Proxy[Duration]
    temperature_holds: Proxy[Duration]
    oxygen_holds: Proxy[Duration]
    one_set: Proxy[Duration]
    laboratory_holds: Proxy[Duration]
    baseline_window: Proxy[Duration]
    future_tolerance: Proxy[Duration]
    late_page_within: Proxy[Duration]


class EasixProxies(Configuration):
    """Which laboratory values belong together in one EASIX."""

    inputs_within: Proxy[Duration]
    confounded_after: Proxy[Duration]


class EasixThreshold(Configuration):
    """A centre's own m-EASIX threshold for one window of days since infusion, both ends included."""

    window: str
    from_day: int
    to_day: int
    threshold: Proxy[Decimal]

    @model_validator(mode="after")
    def _days_in_order(self) -> "EasixThreshold":
        if self.to_day < self.from_day:
            raise ValueError(f"to_day {self.to_day} lies before from_day {self.from_day}")
        return self


class CountProxies(Configuration):
    """Institutional notices on laboratory values that no CTCAE term covers (mg/dL)."""

    igg_low: Proxy[Decimal]


class Proxies(Configuration):
    """Every convention of a site."""

    crs: CrsProxies
    icans: IcansProxies
    chart: ChartProxies
    easix: EasixProxies
    m_easix_thresholds: tuple[EasixThreshold, ...] = ()
    counts: CountProxies
