"""The explanation of a patient's grades: each result, its readings, its rule, what was missing, what would change it.

The last part is not listed from memory: each of a list of possible next readings is charted on a copy and graded.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import ModuleType
from typing import NamedTuple

from alerts.assessment.assessment import Assessment, assess
from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.grading import (
    crs,
    ctcae,
    ctcae_chemistry,
    ctcae_counts,
    ctcae_fever,
    easix,
    hematotox,
    icaht,
    icans,
    ice,
    iec_hs,
    news2,
)
from alerts.grading.result import Grade, Result
from alerts.pages.values import shown
from alerts.wording.catalogue import render, say
from alerts.wording.codes import coded
from alerts.wording.phrase import Length, Name, Phrase, phrase
from config.site import Language, Site
from config.vocabulary import label, shown_unit

RULES: Mapping[str, ModuleType] = {
    "crs": crs,
    "icans": icans,
    "ice": ice,
    **{f"ctcae.{term}": ctcae_counts for term in ctcae_counts.TERMS},
    **dict.fromkeys(("ctcae.febrile_neutropenia", "ctcae.fever"), ctcae_fever),
    **{f"ctcae.{term}": ctcae_chemistry for term in ctcae_chemistry.GRADERS},
    **dict.fromkeys(("easix", "s_easix", "m_easix"), easix),
    "hematotox": hematotox,
    **dict.fromkeys(("icaht.early", "icaht.late"), icaht),
    "iec_hs": iec_hs,
    "news2": news2,
}
"""The module whose docstring holds the table and the citation of each system."""


class Probe(NamedTuple):
    """A possible next reading, statement or dose."""

    kind: str
    value: Decimal | None = None
    code: str = ""

    def words(self, language: Language) -> str:
        """The probe as a person reads it."""
        if self.value is not None:
            return f"{say(label(self.kind), language)} {self.value} {shown_unit(self.kind)}".strip()
        stated = {"true": "{what} stated", "false": "{what} denied"}.get(self.code)
        said = coded(self.kind, self.code) if stated is None else Phrase(stated, (Name(self.kind),))
        return render(said, language, UTC)


def _numbers(kind: str, *values: str) -> tuple[Probe, ...]:
    return tuple(Probe(kind, Decimal(value)) for value in values)


def _codes(kind: str, *codes: str) -> tuple[Probe, ...]:
    return tuple(Probe(kind, code=code) for code in codes)


PROBES: tuple[Probe, ...] = (
    *_numbers("temperature", "36.8", "38.0"),
    *_numbers("systolic_bp", "120", "85"),
    *_numbers("spo2", "97", "90"),
    *_codes("oxygen_device", "none", "blow_by", "face_mask", "cpap"),
    *_numbers("oxygen_flow", "2", "8"),
    *_codes("norepinephrine", "started", "stopped"),
    *_codes("epinephrine", "started"),
    *_codes("hypotension", "true", "false"),
    *_codes("fever_other_cause", "true"),
    *_numbers("ice", "10", "7", "3", "0"),
    *_codes("consciousness", "voice", "touch", "unarousable"),
    *_codes("seizure", "brief", "prolonged"),
    *_codes("cerebral_edema", "focal", "diffuse"),
    *_numbers("platelets", "100", "49", "24"),
    *_numbers("neutrophils", "2.0", "0.9", "0.4"),
    *_numbers("hemoglobin", "11", "9.0", "7.9"),
    *_codes("anemia_life_threatening", "true"),
    *_numbers("ferritin", "12000"),
    *_numbers("fibrinogen", "140"),
    *_numbers("alt", "100", "300"),
    *_numbers("ast", "100", "300"),
    *_numbers("creatinine", "0.8", "1.6", "4.0"),
    *_numbers("bilirubin", "0.8", "2.0", "4.0"),
    *_numbers("inr", "1.1", "1.4", "2.6"),
    *_numbers("crp", "5", "85"),
    *_numbers("ldh", "200", "900"),
)


UNCOMPARED = ("easix", "s_easix", "m_easix", "news2", "ice")
"""Systems that nearly every probe would change. Their changes are left out."""


class Explanation(NamedTuple):
    """One result, ready to be read. `row`: the printed cells of its own row, if its table has several rows."""

    system: str
    value: str
    version: str
    provisional: bool
    because: tuple[str, ...]
    readings: tuple[str, ...]
    missing: tuple[str, ...]
    flags: tuple[str, ...]
    conventions: tuple[str, ...]
    changed_by: tuple[str, ...]
    row: tuple[str, ...]
    rule: str


def explain(chart: Chart, at: datetime, site: Site, language: Language = "en") -> list[Explanation]:
    """Every result at a time, explained in a language. Only its rule, as the module states it, stays English."""
    now = assess(chart, at, site)
    changes = _changes(chart, now, site, language)
    return [
        _explained(system, result, changes.get(system, ()), site, language) for system, result in _results(now).items()
    ]


def _results(now: Assessment) -> dict[str, Result]:
    """Every result, including those without journal lines."""
    return {**now.grades(), "easix": now.easix, "s_easix": now.s_easix}


def _row(system: str, site: Site, language: Language) -> tuple[str, ...]:
    section, _, term = system.partition(".")
    cells = ctcae.printed(term, site) if section == "ctcae" else ()
    return tuple(f"{say('grade {n}', language, n=level)}: {say(cell, language)}" for level, cell in cells)


def _explained(system: str, result: Result, changed_by: Iterable[str], site: Site, language: Language) -> Explanation:
    value = result.shown_value
    rule = RULES[system].__doc__ or ""

    def words(said: Iterable[Phrase]) -> tuple[str, ...]:
        return tuple(render(one, language, site.zone) for one in said)

    return Explanation(
        system=system,
        value=say("undetermined" if value is None else value, language),
        version=result.version,
        provisional=isinstance(result, Grade) and result.provisional,
        because=words(result.because),
        readings=tuple(shown(item, site, language) for item in result.evidence),
        missing=words(result.missing),
        flags=words(result.flags),
        conventions=tuple(_convention(name, site, language) for name in result.conventions),
        changed_by=tuple(changed_by),
        row=_row(system, site, language),
        rule=rule.strip(),
    )


def _convention(name: str, site: Site, language: Language) -> str:
    section, _, key = name.partition(".")
    convention = getattr(getattr(site.conventions, section, None), key, None)
    if convention is None:
        return name
    value = Length(convention.value) if isinstance(convention.value, timedelta) else str(convention.value)
    text = "{name} = {value} ({own}; owner: {note})"
    shown = phrase(text, name=name, value=value, own=Phrase(convention.basis), note=convention.owner)
    return render(shown, language, site.zone)


def _changes(chart: Chart, now: Assessment, site: Site, language: Language) -> dict[str, list[str]]:
    """For each system, the result with one more reading of the same time."""
    found: dict[str, list[str]] = {}
    before = {system: result.shown_value for system, result in now.grades().items()}
    for probe in PROBES:
        after = assess(_charted(chart, probe, now.at), now.at, site)
        for system, result in after.grades().items():
            value = result.shown_value
            if value != before[system] and value is not None and system not in UNCOMPARED:
                found.setdefault(system, []).append(f"{probe.words(language)}: {value}")
    return found


def _charted(chart: Chart, probe: Probe, at: datetime) -> Chart:
    """A copy of the chart with the probe, carrying the limits of the last result of its kind."""
    last = chart.latest(probe.kind, at)
    entry = Entry(
        effective=at,
        source="\uffff what if",
        id="what if",
        value=probe.value,
        code=probe.code,
        by="person",
        low=last.low if last else None,
        high=last.high if last else None,
    )
    return chart.fold(probe.kind, entry, received=at)
