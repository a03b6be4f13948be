"""Typed form of `conventions.yaml`: numbers that no consensus fixes, each with its basis and owner."""

from decimal import Decimal
from functools import cached_property
from typing import Literal
from zlib import crc32

from pydantic import field_validator, model_validator

from config.types import ClockTime, Configuration, Convention, Duration
from config.vocabulary import READINGS


class CrsConventions(Configuration):
    """What counts as hypotension and hypoxia (mm[Hg], %), and how long a CRS statement lasts."""

    hypotension_systolic: Convention[Decimal]
    hypotension_mean: Convention[Decimal]
    relative_hypotension_systolic: Convention[Decimal]
    relative_hypotension_fraction: Convention[Decimal]
    severe_systolic: Convention[Decimal]
    severe_mean: Convention[Decimal]
    hypoxia_spo2: Convention[Decimal]
    severe_spo2: Convention[Decimal]
    waiver_tail: Convention[Duration]
    clear_sets_apart: Convention[Duration]
    fever_returns_within: Convention[Duration]
    no_response_after: Convention[Duration]
    statement_holds: Convention[Duration]
    other_cause_holds: Convention[Duration]
    worse_ends_statement: Convention[bool]
    single_vasopressor_dose_holds: Convention[Duration]
    attribution_until_day: Convention[int]


class IcansConventions(Configuration):
    """How long a neurological assessment describes the patient, and below which age CAPD is used (years)."""

    assessment_holds: Convention[Duration]
    ice_wavers_within: Convention[Duration]
    capd_below_age: Convention[int]


class ChartConventions(Configuration):
    """How long a charted value describes the patient, and which pressures (mm[Hg]) can be those of one set."""

    vitals_hold: Convention[Duration]
    temperature_holds: Convention[Duration]
    oxygen_holds: Convention[Duration]
    one_set: Convention[Duration]
    pulse_pressure_least: Convention[Decimal]
    pulse_pressure_most: Convention[Decimal]
    laboratory_holds: Convention[Duration]
    baseline_window: Convention[Duration]
    future_tolerance: Convention[Duration]
    ahead_within: Convention[Duration]
    charted_by_hand: Convention[tuple[str, ...]]
    late_page_within: Convention[Duration]


class EasixConventions(Configuration):
    """Which laboratory values belong together in one EASIX."""

    inputs_within: Convention[Duration]
    confounded_after: Convention[Duration]


class EasixThreshold(Configuration):
    """A centre's own m-EASIX threshold for one window of days since infusion, both ends included."""

    window: str
    from_day: int
    to_day: int
    threshold: Convention[Decimal]

    @model_validator(mode="after")
    def _days_in_order(self) -> "EasixThreshold":
        if self.to_day < self.from_day:
            raise ValueError(f"to_day {self.to_day} lies before from_day {self.from_day}")
        return self


class HematotoxConventions(Configuration):
    """The last day since infusion on which a value counts as one from before lymphodepletion."""

    not_later_than_day: Convention[int]


class CountConventions(Configuration):
    """Institutional notices on what no CTCAE term covers: laboratory values (mg/dL, x10^9/L), late diarrhoea."""

    igg_low: Convention[Decimal]
    febrile_neutropenia_clear_for: Convention[Duration]
    fever_before_count: Convention[Duration]
    neutropenia_expected_to_day: Convention[int]
    bcma_lymphocyte_peak: Convention[Decimal]
    fibrinogen_low: Convention[Decimal]
    fibrinogen_platelets: Convention[Decimal]
    fibrinogen_from_day: Convention[int]
    fibrinogen_to_day: Convention[int]
    diarrhea_after_day: Convention[int]


class ContextConventions(Configuration):
    """What a page also shows of a patient, and for how long: antibiotics, weight, fluids (mL)."""

    antibiotic_gap: Convention[Duration]
    weight_holds: Convention[Duration]
    fluid_within: Convention[Duration]
    fluid_much: Convention[int]


class SteroidConventions(Configuration):
    """What a dose of a steroid is: prophylaxis, a reduction, and when it has had no effect."""

    prophylaxis_until_day: Convention[int]
    taper_within: Convention[Duration]
    taper_spaced: Convention[Decimal]
    no_response_after: Convention[Duration]


class ConfirmationConventions(Configuration):
    """When a noisy number counts (°C, mm[Hg], %)."""

    temperature_samples: Convention[int]
    temperature_of: Convention[int]
    temperature_lasting: Convention[Duration]
    temperature_window: Convention[Duration]
    temperature_at_once: Convention[Decimal]
    pressure_pair: Convention[Duration]
    pressure_window: Convention[Duration]
    pressure_consecutive: Convention[Duration]
    arterial_lasting: Convention[Duration]
    saturation_lasting: Convention[Duration]
    saturation_window: Convention[Duration]
    saturation_at_once: Convention[Decimal]
    saturation_at_once_lasting: Convention[Duration]
    ice_repeat_within: Convention[Duration]


class ScheduleConventions(Configuration):
    """How often a patient must be assessed, and how late that may be.

    `rounds`: the ward's fixed rounds, on the hospital's clock. `on_call_after_intervals`: of how many intervals without
    an assessment the doctor on call hears, if the patient is at risk.
    """

    vitals_every: Convention[Duration]
    vitals_every_when_febrile: Convention[Duration]
    vitals_every_when_m_easix_high: Convention[Duration]
    ice_every: Convention[Duration]
    ice_every_when_m_easix_high: Convention[Duration]
    ice_until_day: Convention[int]
    grace_fraction: Convention[Decimal]
    grace_least: Convention[Duration]
    rounds: Convention[tuple[ClockTime, ...]]
    on_call_after_intervals: Convention[Decimal]

    @field_validator("grace_fraction", "on_call_after_intervals")
    @classmethod
    def _not_negative(cls, number: Convention[Decimal]) -> Convention[Decimal]:
        if number.value < 0:
            raise ValueError(f"{number.value} is less than 0")
        return number


class RegistrationConventions(Configuration):
    """How far ahead the infusion of a registered patient may be. Until then CRS and ICANS are not graded."""

    ahead_within: Convention[Duration]


class UnregisteredConventions(Configuration):
    """How long a patient may be without registration before it is paged, and how many such patients are kept."""

    page_after: Convention[Duration]
    at_most: Convention[int]


class OutpatientConventions(Configuration):
    """Conventions for a patient at home: a fever, and a missed check-in. Hours are those of the hospital's clock."""

    fever_at_once: Convention[bool]
    unanswered_after: Convention[Duration]
    day_from_hour: Convention[int]
    day_until_hour: Convention[int]


EXPECTED_GROUPS = ("neurological_check", "laboratory")
"""What can be expected besides single readings."""


class Expected(Configuration):
    """A value expected of patients outside the ward, from a day since infusion on."""

    setting: Literal["outpatient", "follow_up"]
    what: str
    from_day: int = 0
    to_day: int | None = None
    urgency: Literal["low", "medium"]
    every: Convention[Duration]

    @field_validator("what")
    @classmethod
    def _can_be_charted(cls, what: str) -> str:
        if what not in READINGS and what not in EXPECTED_GROUPS:
            raise ValueError(f"{what!r} is neither a reading nor one of {', '.join(EXPECTED_GROUPS)}")
        return what


class IecHsConventions(Configuration):
    """What counts as a rise of ferritin (ug/L) after CRS, and as a new cytopenia, in the IEC-HS screen."""

    ferritin_doubles_within: Convention[Duration]
    ferritin_high: Convention[Decimal]
    cytopenia_new_for: Convention[Duration]


class Conventions(Configuration):
    """Every convention of a site, and the version of CTCAE that it grades by."""

    ctcae_version: Literal["5.0", "6.0"]
    crs: CrsConventions
    icans: IcansConventions
    chart: ChartConventions
    easix: EasixConventions
    m_easix_thresholds: tuple[EasixThreshold, ...] = ()
    hematotox: HematotoxConventions
    counts: CountConventions
    context: ContextConventions
    steroids: SteroidConventions
    confirmation: ConfirmationConventions
    schedule: ScheduleConventions
    outpatient: OutpatientConventions
    expected: tuple[Expected, ...] = ()
    registration: RegistrationConventions
    unregistered: UnregisteredConventions
    iec_hs: IecHsConventions

    @cached_property
    def digest(self) -> str:
        """A digest of all conventions. It invalidates cached results if any of them changes."""
        return f"{crc32(self.model_dump_json().encode()):08x}"
