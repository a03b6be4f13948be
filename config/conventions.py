"""Typed form of `proxies.yaml`: the conventions that no consensus fixes, each with basis and owner."""

from decimal import Decimal
from functools import cached_property
from typing import Literal
from zlib import crc32

from pydantic import field_validator, model_validator

from config.types import Configuration, Duration, Proxy
from config.vocabulary import READINGS


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
    worse_ends_statement: Proxy[bool]
    single_vasopressor_dose_holds: Proxy[Duration]
    attribution_until_day: Proxy[int]


class IcansProxies(Configuration):
    """How long a neurological assessment describes the patient, and below which age CAPD is used (years)."""

    assessment_holds: Proxy[Duration]
    capd_below_age: Proxy[int]


class ChartProxies(Configuration):
    """How long a charted value describes the patient, and which pressures (mm[Hg]) can be those of one set."""

    vitals_hold: Proxy[Duration]
    temperature_holds: Proxy[Duration]
    oxygen_holds: Proxy[Duration]
    one_set: Proxy[Duration]
    pulse_pressure_least: Proxy[Decimal]
    pulse_pressure_most: Proxy[Decimal]
    laboratory_holds: Proxy[Duration]
    baseline_window: Proxy[Duration]
    future_tolerance: Proxy[Duration]
    ahead_within: Proxy[Duration]
    charted_by_hand: Proxy[tuple[str, ...]]
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


class HematotoxProxies(Configuration):
    """Until which day since infusion, itself included, a value counts as one from before lymphodepletion."""

    not_later_than_day: Proxy[int]


class CountProxies(Configuration):
    """Institutional notices on laboratory values that no CTCAE term covers (mg/dL)."""

    igg_low: Proxy[Decimal]


class ConfirmationProxies(Configuration):
    """When a noisy number counts (°C, mm[Hg], %)."""

    temperature_samples: Proxy[int]
    temperature_of: Proxy[int]
    temperature_lasting: Proxy[Duration]
    temperature_window: Proxy[Duration]
    temperature_at_once: Proxy[Decimal]
    pressure_pair: Proxy[Duration]
    pressure_window: Proxy[Duration]
    pressure_consecutive: Proxy[Duration]
    arterial_lasting: Proxy[Duration]
    saturation_lasting: Proxy[Duration]
    saturation_window: Proxy[Duration]
    saturation_at_once: Proxy[Decimal]
    saturation_at_once_lasting: Proxy[Duration]
    ice_repeat_within: Proxy[Duration]


class ScheduleProxies(Configuration):
    """How often a patient is to be looked at."""

    vitals_every: Proxy[Duration]
    vitals_every_when_febrile: Proxy[Duration]
    vitals_every_when_m_easix_high: Proxy[Duration]
    ice_every: Proxy[Duration]
    ice_every_when_m_easix_high: Proxy[Duration]
    ice_until_day: Proxy[int]


class RegistrationProxies(Configuration):
    """How far ahead an infusion may lie when a patient is registered: until then nothing is graded."""

    ahead_within: Proxy[Duration]


class UnregisteredProxies(Configuration):
    """How long a patient may be without registration before it is paged, and how many such patients are kept."""

    page_after: Proxy[Duration]
    at_most: Proxy[int]


class OutpatientProxies(Configuration):
    """What holds of a patient at home: a fever, and a check-in that is not answered. Hours are the hospital's clock."""

    fever_at_once: Proxy[bool]
    unanswered_after: Proxy[Duration]
    day_from_hour: Proxy[int]
    day_until_hour: Proxy[int]


EXPECTED_GROUPS = ("neurological_check", "laboratory")
"""What can be expected besides single readings."""


class Expected(Configuration):
    """Something that is to be charted of patients in a setting other than the ward, from a day since infusion on."""

    setting: Literal["outpatient", "follow_up"]
    what: str
    from_day: int = 0
    to_day: int | None = None
    urgency: Literal["low", "medium"]
    every: Proxy[Duration]

    @field_validator("what")
    @classmethod
    def _can_be_charted(cls, what: str) -> str:
        if what not in READINGS and what not in EXPECTED_GROUPS:
            raise ValueError(f"{what!r} is neither a reading nor one of {', '.join(EXPECTED_GROUPS)}")
        return what


class IecHsProxies(Configuration):
    """What counts as a rise of ferritin (ug/L) after CRS, and as a new cytopenia, in the IEC-HS screen."""

    ferritin_doubles_within: Proxy[Duration]
    ferritin_high: Proxy[Decimal]
    cytopenia_new_for: Proxy[Duration]


class Proxies(Configuration):
    """Every convention of a site, and the version of CTCAE that it grades by."""

    ctcae_version: Literal["5.0", "6.0"]
    crs: CrsProxies
    icans: IcansProxies
    chart: ChartProxies
    easix: EasixProxies
    m_easix_thresholds: tuple[EasixThreshold, ...] = ()
    hematotox: HematotoxProxies
    counts: CountProxies
    confirmation: ConfirmationProxies
    schedule: ScheduleProxies
    outpatient: OutpatientProxies
    expected: tuple[Expected, ...] = ()
    registration: RegistrationProxies
    unregistered: UnregisteredProxies
    iec_hs: IecHsProxies

    @cached_property
    def mark(self) -> str:
        """A short text that is another where any convention is: what rests on the one is not taken for the other's."""
        return f"{crc32(self.model_dump_json().encode()):08x}"
