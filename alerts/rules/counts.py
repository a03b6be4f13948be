"""When blood counts page. A preliminary count is graded and shown; only a final one pages, or ends an episode."""

from alerts.grading import ctcae_fever
from alerts.grading.fever import measured_fever
from alerts.grading.inputs import with_time
from alerts.grading.result import Evidence, Grade
from alerts.rules.finding import Finding, RuleInput, is_preliminary, of_result, once_final
from alerts.wording.phrase import Amount, Listed, Name, Phrase, phrase

BY_NUMBERS = 3
"""The grade of febrile neutropenia by numbers. Grade 4 needs a clinician's statement."""

FEBRILE_NEUTROPENIA = "febrile neutropenia grade {n}"
BEFORE_COUNT = "fever before the count, gone since: {what}, then {what2}"


def febrile_neutropenia(inputs: RuleInput) -> Finding | None:
    """CTCAE febrile neutropenia of grade 3 or 4: high, once the fever is confirmed.

    A fever found in a patient whose count is preliminary waits for nothing: the count does not page by itself. A count
    is drawn once a day: one that is low describes the fever shortly before it too, though that has gone since.
    """
    result = inputs.now.ctcae["febrile_neutropenia"]
    if result.grade is None:
        return None
    earlier = _fever_before_count(inputs, result)
    if earlier is not None:
        return earlier
    grade, conventions = result.grade, result.conventions
    if grade == BY_NUMBERS:
        temperature = measured_fever(inputs.chart, inputs.now.at, inputs.site)
        conventions = tuple(dict.fromkeys((*conventions, *temperature.conventions)))
        grade = grade if temperature.level else 0
    clear_for = inputs.site.conventions.counts.febrile_neutropenia_clear_for.value
    if not grade:
        conventions = (*conventions, "counts.febrile_neutropenia_clear_for")
    title = phrase(FEBRILE_NEUTROPENIA, n=grade)
    found = of_result(result, "febrile_neutropenia", grade, "high", title, conventions=conventions, clear_for=clear_for)
    return found if grade else once_final(found)


def _fever_before_count(inputs: RuleInput, result: Grade) -> Finding | None:
    """Febrile neutropenia by a low count that was drawn after the fever, which has gone since."""
    count = next((item for item in result.evidence if item.kind == "neutrophils"), None)
    if result.grade != 0 or count is None or not count.entry.below(ctcae_fever.NEUTROPENIC):
        return None
    within = inputs.site.conventions.counts.fever_before_count.value
    if inputs.now.at - count.entry.effective > within:
        return None
    fever = ctcae_fever.fever_before(count.entry, inputs.chart, inputs.site, within)
    if (
        fever is None
        or inputs.now.at - fever.effective > within
        or not measured_fever(inputs.chart, fever.effective, inputs.site).level
    ):
        return None
    found = of_result(
        result,
        "febrile_neutropenia",
        BY_NUMBERS,
        "high",
        phrase(FEBRILE_NEUTROPENIA, n=BY_NUMBERS),
        because=(
            phrase(BEFORE_COUNT, what=with_time("temperature", fever), what2=with_time("neutrophils", count.entry)),
        ),
        evidence=(Evidence("temperature", fever), count),
        conventions=(*result.conventions, "counts.fever_before_count"),
        clear_for=inputs.site.conventions.counts.febrile_neutropenia_clear_for.value,
    )
    return once_final(found)


NO_GRADE_4 = Phrase("no grade 4 count")

EXPECTED = ("white_cells", "lymphocytes")
"""Counts that lymphodepletion brings to grade 4 in nearly everybody."""

COUNTS = ("anemia", "platelets", "neutrophils", "white_cells", "lymphocytes")


def cytopenia(inputs: RuleInput) -> Finding | None:
    """A count of CTCAE grade 4: medium. Each further term pages once.

    White cells and lymphocytes are low, all of them once, and page nobody beside another count: after lymphodepletion
    they are grade 4 in nearly everybody. So are neutrophils for a while, whose fever pages high.
    """
    known = {term: inputs.now.ctcae[term] for term in COUNTS if inputs.now.ctcae[term].grade is not None}
    final = {term: result for term, result in known.items() if not is_preliminary(result)}
    worst = {term: result for term, result in final.items() if result.grade == 4}
    if not final or (not worst and len(final) < len(known)):
        return None
    results = list((worst or final).values())
    expected = _expected(inputs)
    unexpected = tuple(term for term in worst if term not in expected)
    return Finding(
        condition="cytopenia",
        level=4 if worst else 0,
        urgency="low" if worst and not unexpected else "medium",
        title=phrase("CTCAE grade 4: {list}", list=Listed(tuple(map(Name, worst)))) if worst else NO_GRADE_4,
        because=tuple(reason for result in results for reason in result.because),
        evidence=tuple(item for result in results for item in result.evidence),
        members=unexpected,
        conventions=("counts.neutropenia_expected_to_day",) if "neutrophils" in worst else (),
        provisional=any(result.provisional for result in worst.values()),
    )


def _expected(inputs: RuleInput) -> tuple[str, ...]:
    """The counts that lymphodepletion brings to grade 4 on a day: neutrophils too, as long as its own course lasts."""
    until = inputs.site.conventions.counts.neutropenia_expected_to_day.value
    in_its_course = inputs.now.day is not None and inputs.now.day <= until
    return (*EXPECTED, "neutrophils") if in_its_course else EXPECTED


def low_igg(inputs: RuleInput) -> Finding | None:
    """IgG under the institutional limit: low. No CTCAE term exists for it."""
    igg = inputs.chart.latest("igg", inputs.now.at, inputs.site.conventions.chart.laboratory_holds.value)
    limit = inputs.site.conventions.counts.igg_low
    if igg is None or (low := igg.below(limit.value)) is None:
        return None
    value = Amount("igg", igg.value)
    finding = Finding(
        condition="low_igg",
        level=int(low),
        urgency="low",
        title=phrase("IgG below {n} mg/dL", n=str(limit.value)) if low else Phrase("IgG not low"),
        because=(phrase("{amount} against {n}: {own}", amount=value, n=str(limit.value), own=Phrase(limit.basis)),),
        evidence=(Evidence("igg", igg),),
        conventions=("counts.igg_low",),
    )
    return once_final(finding)


def iec_hs(inputs: RuleInput) -> Finding | None:
    """A positive screen for IEC-HS: medium. It is a screen, not a grade."""
    result = inputs.now.iec_hs
    if result.suspected is None:
        return None
    title = Phrase("consider IEC-HS") if result.suspected else Phrase("no reason to consider IEC-HS")
    return once_final(of_result(result, "iec_hs", int(result.suspected), "medium", title))
