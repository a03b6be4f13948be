"""The words of one page."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from alerts.admission import Admission
from alerts.assessment import assess
from alerts.chart import Chart
from alerts.entry import Entry
from alerts.episodes import Episode, follow
from alerts.finding import Finding
from alerts.grading.result import Evidence
from alerts.page import TITLE_LENGTH, Concern, clock, minimal_text, most_urgent_first, shown, text, title
from alerts.paging import HandedOver, Reason
from alerts.wording.catalogue import translate
from alerts.wording.headings import DISCLAIMER
from config.site import Language, Site, Urgency
from tests.unit.alerts.builders import INFUSED, NOW, SITE, chart, day, dose, hours, reading


def finding(level: int = 2, urgency: Urgency = "high", condition: str = "crs", **more: object) -> Finding:
    name = f"{condition.upper()} grade {level}"
    return Finding(condition=condition, level=level, urgency=urgency, title=name, **more)  # type: ignore[arg-type]


def episode(said: Finding) -> Episode:
    opened = follow("P1", None, None, said, NOW - hours(2), NOW, timedelta(hours=6)).episode
    assert opened is not None
    return opened


def concern(said: Finding, reason: Reason = "new") -> Concern:
    return Concern(episode(said), reason, said)


def page_text(*concerns: Concern, folded: Chart | None = None, language: Language = "en", site: Site = SITE) -> str:
    folded = folded or chart(reading("temperature", "38.5", NOW), reading("ice", 9, NOW))
    return text(list(concerns), folded, assess(folded, NOW, site), site, at=NOW, page="e.1", language=language)


def page_title(*concerns: Concern, folded: Chart | None = None, at: datetime = NOW, language: Language = "en") -> str:
    folded = folded or chart()
    return title(list(concerns), folded, assess(folded, at, SITE), SITE, language)


def on_the_ward() -> Chart:
    return chart().admit(Admission(effective=INFUSED, infused=INFUSED, ward="HAEM-2", bed="12"))


# -- title -----------------------------------------------------------------------------------------


def test_the_most_urgent_concern_leads() -> None:
    medium, critical = concern(finding(1, "medium")), concern(finding(3, "critical", "icans"))
    assert most_urgent_first([medium, critical]) == [critical, medium]


def test_of_equally_urgent_concerns_the_first_leads() -> None:
    one, other = concern(finding()), concern(finding(condition="icans"))
    assert most_urgent_first([one, other]) == [one, other]


def test_the_title_says_urgency_day_place_what_and_why() -> None:
    concerns = [concern(finding(3, "critical", "icans"), "worse"), concern(finding(2))]
    assert page_title(*concerns, folded=on_the_ward()) == (
        "[CRITICAL] D+5 HAEM-2/12: ICANS grade 3 (worse); CRS grade 2 (new)"
    )
    assert page_title(*concerns, folded=on_the_ward(), language="it") == (
        "[CRITICO] G+5 HAEM-2/12: ICANS grado 3 (peggioramento); CRS grado 2 (nuovo)"
    )


@pytest.mark.parametrize(
    ("urgency", "tag"), [("critical", "CRITICO"), ("high", "ALTO"), ("medium", "MEDIO"), ("technical", "TECNICO")]
)
def test_the_urgency_leads_in_the_readers_language(urgency: Urgency, tag: str) -> None:
    assert page_title(concern(finding(2, urgency)), language="it").startswith(f"[{tag}] ")


@pytest.mark.parametrize(
    ("reason", "words"), [("handed_over", "(handed over)"), ("still_on_it", "(still on it?)"), ("repeat", "(repeat)")]
)
def test_the_title_says_why_in_words(reason: Reason, words: str) -> None:
    assert page_title(concern(finding(), reason)).endswith(f"CRS grade 2 {words}")


def test_what_has_no_room_in_the_title_is_counted() -> None:
    long = [concern(finding(2, condition=f"a condition with a long name {number}")) for number in range(4)]
    said = page_title(*long, folded=on_the_ward())
    assert len(said) <= TITLE_LENGTH
    assert said.endswith("A CONDITION WITH A LONG NAME 0 GRADE 2 (new) and 3 more".replace("GRADE", "grade"))


def test_a_title_that_is_too_long_keeps_the_reason() -> None:
    long = replace(concern(finding(1, "technical")), episode=replace(episode(finding()), title="x" * 2000))
    said = page_title(long, concern(finding()))
    assert len(said) == TITLE_LENGTH
    assert said.endswith("x… (new) and 1 more")


@pytest.mark.parametrize("language", ["en", "it"])
def test_the_title_of_a_page_about_no_patient_names_the_hospital(language: Language) -> None:
    said = title([concern(finding(1, "technical", "feed lab"))], Chart(), None, SITE, language)
    assert said.split("] ")[1].startswith(f"{SITE.on_call.name}: ")


@pytest.mark.parametrize(("since", "shown_day"), [(0, "D0"), (1, "D+1"), (-2, "D-2")])
def test_the_day_is_counted_from_the_infusion(since: int, shown_day: str) -> None:
    assert f" {shown_day}" in page_title(concern(finding()), at=day(since))


def test_without_an_infusion_and_a_place_the_title_is_shorter() -> None:
    assert page_title(concern(finding()), folded=chart(infused=None)) == "[HIGH]: CRS grade 2 (new)"


def test_a_minimal_page_names_only_urgency_and_page() -> None:
    said = [concern(finding(3, "critical", "icans"))]
    heading, body = minimal_text(said, "e.1", "en")
    assert heading == "[CRITICAL] cartwatch page e.1"
    assert body == f"Open the ward board for page e.1. {DISCLAIMER}"
    heading, body = minimal_text(said, "e.1", "it")
    assert heading == "[CRITICO] avviso cartwatch e.1"
    assert body == f"Aprire la lavagna di reparto per l'avviso e.1. {translate(DISCLAIMER, 'it')}"


def test_the_text_says_by_whom_it_was_handed_over() -> None:
    said = finding()
    passed = Concern(replace(episode(said), handed_over=(HandedOver("haematologist-1", NOW),)), "handed_over", said)
    first = "CRS grade 2 (handed over), since 17 Jun 2024 08:00, handed over by Haematologist on call"
    assert page_text(passed).splitlines()[0] == first
    assert page_text(passed, language="it").splitlines()[0].endswith(", passato da Haematologist on call")
    gone = replace(passed, episode=replace(passed.episode, handed_over=(HandedOver("left-last-year", NOW),)))
    assert page_text(gone).splitlines()[0].endswith(", handed over by left-last-year")


# -- text ------------------------------------------------------------------------------------------


def test_the_text_ends_with_the_time_on_the_wards_clock_the_pages_id_and_what_it_is_not() -> None:
    assert page_text(concern(finding())).endswith(f"\n17 Jun 2024 10:00, page e.1\n{DISCLAIMER}")


def test_the_first_two_lines_carry_the_message() -> None:
    said = finding(because=("fever 38.9 °C (>= 38.0)",), missing=("vasopressor",))
    assert page_text(concern(said)).splitlines()[:2] == [
        "CRS grade 2 (new), since 17 Jun 2024 08:00",
        "  because fever 38.9 °C (>= 38.0)",
    ]


def test_of_several_concerns_each_is_named_before_any_is_explained() -> None:
    one, other = (finding(because=(f"reason {name}",), condition=name) for name in ("crs", "icans"))
    assert page_text(concern(one), concern(other)).splitlines()[:6] == [
        "CRS grade 2 (new), since 17 Jun 2024 08:00",
        "ICANS grade 2 (new), since 17 Jun 2024 08:00",
        "CRS grade 2",
        "  because reason crs",
        "ICANS grade 2",
        "  because reason icans",
    ]


def test_an_episode_told_for_two_reasons_is_explained_once() -> None:
    said = finding(because=("fever",))
    both = Concern(episode(said), "new", said), Concern(episode(said), "handed_over", said)
    assert page_text(*both).count("because fever") == 1


def test_whoever_has_it_is_asked_whether_they_are_still_on_it() -> None:
    lines = page_text(concern(finding(because=("fever",)), "still_on_it")).splitlines()
    assert lines[1] == "still on it? The ladder starts again without an answer"
    lines = page_text(concern(finding(because=("fever",)), "still_on_it"), language="it").splitlines()
    assert lines[1] == "ancora in carico? Senza risposta le chiamate ricominciano"


def test_the_lines_stand_in_order_of_importance() -> None:
    said = finding(
        because=("fever",),
        evidence=(Evidence(*reading("systolic_bp", 84, NOW)),),
        missing=("vasopressor",),
        flags=("confounded",),
        proxies=("crs.hypotension_systolic",),
    )
    sample = (reading("ldh", 320, NOW), reading("crp", 85, NOW), reading("platelets", 45, NOW))
    lines = page_text(concern(said), folded=chart(*sample)).splitlines()
    starts = [line.split()[0].rstrip(":") for line in lines]
    assert starts == [
        *("CRS", "because", "readings", "missing", "note"),
        *("Now", "m-EASIX", "Given", "Protocol", "conventions", "17", "Decision"),
    ]


def test_the_text_says_since_when_and_at_what_level_it_was_before() -> None:
    worse = replace(episode(finding(2)), was=1)
    shown_text = page_text(Concern(worse, "worse", finding(2)))
    assert "CRS grade 2 (worse), since 17 Jun 2024 08:00, before: 1" in shown_text


def test_a_repeat_does_not_say_what_was_before() -> None:
    assert "before:" not in page_text(Concern(replace(episode(finding(2)), was=1), "repeat", finding(2)))


def test_reasons_readings_what_is_missing_remarks_and_conventions_all_stand_on_the_page() -> None:
    said = finding(
        because=("systolic 84 < 90",),
        evidence=(Evidence(*reading("systolic_bp", 84, NOW)),),
        missing=("vasopressor",),
        flags=("day 16: attribution to be confirmed",),
        proxies=("crs.hypotension_systolic",),
        provisional=True,
    )
    lines = page_text(concern(said)).splitlines()
    assert "  provisional: at least this grade" in lines
    assert "  because systolic 84 < 90" in lines
    assert "  readings: systolic pressure 84 mmHg (17 Jun 2024 10:00, ward)" in lines
    assert "  missing: vasopressor" in lines
    assert "  note: day 16: attribution to be confirmed" in lines
    convention = SITE.proxies.crs.hypotension_systolic.basis
    assert f"conventions: {convention} (crs.hypotension_systolic)" in lines


def test_a_convention_of_several_concerns_is_told_once() -> None:
    said = [concern(finding(condition=name, proxies=("crs.hypoxia_spo2",))) for name in ("crs", "icans")]
    assert page_text(*said).count("(crs.hypoxia_spo2)") == 1


def test_a_page_says_in_either_language_which_conventions_it_depends_on() -> None:
    said = concern(finding(proxies=("crs.hypoxia_spo2", "a.name_of_yesterday")))
    assert "convenzioni: SpO2 sotto 92 % in aria ambiente (crs.hypoxia_spo2); a.name_of_yesterday" in (
        page_text(said, language="it")
    )


def test_a_sites_own_basis_is_shown_as_it_is_written() -> None:
    own = SITE.proxies.crs.hypoxia_spo2.model_copy(update={"basis": "our own audit of 2023"})
    crs = SITE.proxies.crs.model_copy(update={"hypoxia_spo2": own})
    site = SITE._replace(proxies=SITE.proxies.model_copy(update={"crs": crs}))
    said = concern(finding(proxies=("crs.hypoxia_spo2",)))
    assert "convenzioni: our own audit of 2023 (crs.hypoxia_spo2)" in page_text(said, language="it", site=site)


def test_a_concern_without_a_finding_is_one_line() -> None:
    alone = page_text(Concern(replace(episode(finding()), title="CRS resolved"), "resolved", None))
    assert "because" not in alone
    assert alone.startswith("CRS resolved, since 17 Jun 2024 08:00\nNow: ")


def test_the_background_gives_both_grades_and_the_doses() -> None:
    folded = chart(reading("temperature", "38.5", NOW), dose("tocilizumab", NOW - hours(3)))
    shown_text = page_text(concern(finding()), folded=folded)
    assert "Now: CRS 1, ICANS undetermined" in shown_text
    assert "Given: tocilizumab 1 of 4 doses (1 of 3 in 24 h, the last 3 h ago)" in shown_text


def test_the_background_gives_m_easix_where_there_is_one() -> None:
    assert "m-EASIX" not in page_text(concern(finding()))
    sample = (reading("ldh", 320, NOW), reading("crp", 85, NOW), reading("platelets", 45, NOW))
    folded = chart(*sample, dose("tocilizumab", NOW - hours(3)))
    assert "m-EASIX 60.44, log2 5.92 (after tocilizumab, confounded)" in page_text(concern(finding()), folded=folded)


@pytest.mark.parametrize(
    ("crp", "line", "italian"),
    [
        (0, "m-EASIX 0.00, log2 undefined", "m-EASIX 0.00, log2 non definito"),
        ("<5", "m-EASIX < 3.56, only a bound", "m-EASIX < 3.56, solo un limite"),
    ],
)
def test_the_background_gives_an_m_easix_without_a_logarithm_and_a_bound(crp: object, line: str, italian: str) -> None:
    folded = chart(reading("ldh", 320, NOW), reading("crp", crp, NOW), reading("platelets", 45, NOW))
    assert line in page_text(concern(finding()), folded=folded).splitlines()
    assert italian in page_text(concern(finding()), folded=folded, language="it").splitlines()


def test_the_background_gives_what_m_easix_was() -> None:
    before = NOW - hours(24)
    earlier = (reading("ldh", 320, before), reading("crp", 40, before), reading("platelets", 45, before))
    folded = chart(*earlier, reading("ldh", 320, NOW), reading("crp", 85, NOW), reading("platelets", 45, NOW))
    line = "m-EASIX 60.44, log2 5.92, was 28.44 on 16 Jun 2024 10:00"
    assert line in page_text(concern(finding()), folded=folded).splitlines()
    translated = "m-EASIX 60.44, log2 5.92, era 28.44 il 16 giu 2024 10:00"
    assert translated in page_text(concern(finding()), folded=folded, language="it").splitlines()


@pytest.mark.parametrize(
    ("reason", "reminded"),
    [
        *((reason, True) for reason in ("new", "worse", "recurrent", "repeat", "handed_over", "still_on_it", "better")),
        ("resolved", False),
        ("retracted", False),
    ],
)
def test_the_protocol_line_is_quoted_with_its_source_while_the_episode_is_open(reason: Reason, reminded: bool) -> None:
    line = "Protocol reminder (ASCO guideline, pocket edition): tocilizumab 8 mg/kg"
    assert (line in page_text(concern(finding(2), reason))) is reminded


def test_a_condition_without_a_protocol_line_quotes_none() -> None:
    assert "Protocol reminder" not in page_text(concern(finding(4, "medium", "cytopenia")))


@pytest.mark.parametrize("urgency", ["critical", "low"])
def test_how_to_answer_is_left_to_the_delivery(urgency: Urgency) -> None:
    assert "cartwatch ack" not in page_text(concern(finding(1, urgency)))


def test_a_whole_page_in_italian() -> None:
    said = finding(
        because=("hypotension with one vasopressor: grade 3 (norepinephrine)", "words of a later version"),
        evidence=(Evidence(*dose("norepinephrine", NOW, "started")), Evidence(*reading("spo2", 93, NOW))),
        missing=("oxygen_device",),
        flags=("day 16: attribution to be confirmed",),
        proxies=("crs.single_vasopressor_dose_holds",),
        provisional=True,
        level=3,
    )
    sample = (reading("ldh", 320, NOW), reading("crp", 85, NOW), reading("platelets", 45, NOW))
    folded = chart(*sample, reading("temperature", "38.5", NOW), dose("tocilizumab", NOW - hours(3)))
    worse = Concern(replace(episode(said), was=2), "worse", said)
    assert page_text(worse, folded=folded, language="it").splitlines() == [
        "CRS grado 3 (peggioramento), dal 17 giu 2024 08:00, prima: 2",
        "  motivo: ipotensione con un vasopressore: grado 3 (noradrenalina)",
        "  motivo: words of a later version",
        "  provvisorio: almeno questo grado",
        "  rilievi: noradrenalina: inizio (17 giu 2024 10:00, emar); SpO2 93 % (17 giu 2024 10:00, ward)",
        "  manca: supporto di ossigeno",
        "  nota: giorno 16: attribuzione da confermare",
        "Ora: CRS 1, ICANS indeterminato",
        "m-EASIX 60.44, log2 5.92 (dopo tocilizumab, influenzato da trattamenti)",
        "Somministrati: tocilizumab: dosi 1 su 4 (1 su 3 in 24 h, ultima 3 h fa); desametasone 0 mg in totale",
        "Promemoria di protocollo (linea guida ASCO, edizione tascabile): terapia intensiva; tocilizumab se restano "
        "dosi, più desametasone 10 mg ogni 6 h [dosi di tocilizumab rimaste: 3 su 4, la prossima dal 17 giu 15:00]",
        "convenzioni: un vasopressore registrato come somministrato, senza inizio e fine, si considera in corso per "
        "12 h (crs.single_vasopressor_dose_holds)",
        "17 giu 2024 10:00, avviso e.1",
        "Supporto decisionale, non è un dispositivo medico. Il monitor al letto resta il riferimento principale.",
    ]


@pytest.mark.parametrize("language", ["en", "it"])
def test_every_page_ends_by_saying_what_it_is_not(language: Language) -> None:
    assert page_text(concern(finding()), language=language).endswith(f"\n{translate(DISCLAIMER, language)}")


def test_a_page_of_the_site_has_no_background() -> None:
    said = concern(finding(1, "technical", "intake lab"))
    shown_text = text([said], Chart(), None, SITE, at=NOW, page="e.1", language="en")
    assert "Now:" not in shown_text
    assert "Given:" not in shown_text


# -- readings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (reading("temperature", "38.50", NOW), "temperature 38.5 °C"),
        (reading("neutrophils", "<0.1", NOW), "neutrophils (ANC) <0.1 ×10⁹/L"),
        (reading("platelets", 100, NOW), "platelets 100 ×10⁹/L"),
        (reading("ice", 1, NOW), "ICE 1"),
        (reading("oxygen_device", "high_flow_nasal_cannula", NOW), "oxygen device high flow nasal cannula"),
        (("hypotension", Entry(NOW, "ward", "s", code="true")), "hypotension yes"),
        (("hypotension", Entry(NOW, "ward", "s", code="false")), "hypotension no"),
        (
            ("tocilizumab", Entry(NOW, "ward", "t", value=Decimal(480), code="given", unit="mg")),
            "tocilizumab 480 mg given",
        ),
        (("norepinephrine", Entry(NOW, "ward", "t", code="started")), "norepinephrine started"),
        (
            ("platelets", Entry(NOW, "ward", "p", value=Decimal(26), sent="26000 /mm3")),
            "platelets 26 ×10⁹/L (sent as 26000 /mm3)",
        ),
    ],
)
def test_a_reading_is_shown_with_value_unit_time_and_source(item: tuple[str, Entry], words: str) -> None:
    assert shown(Evidence(*item), SITE, "en") == f"{words} (17 Jun 2024 10:00, ward)"


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (
            reading("oxygen_device", "high_flow_nasal_cannula", NOW),
            "supporto di ossigeno: cannula nasale ad alti flussi",
        ),
        (("hypotension", Entry(NOW, "ward", "s", code="true")), "ipotensione: sì"),
        (
            ("tocilizumab", Entry(NOW, "ward", "t", value=Decimal(480), code="given", unit="mg")),
            "tocilizumab 480 mg: somministrazione",
        ),
        (
            ("platelets", Entry(NOW, "ward", "p", value=Decimal(26), sent="26000 /mm3")),
            "piastrine 26 ×10⁹/L (inviato come 26000 /mm3)",
        ),
        (("ice", Entry(NOW, "ward", "i", code="absent")), "ICE: non eseguito"),
    ],
)
def test_a_reading_is_shown_in_the_readers_language(item: tuple[str, Entry], words: str) -> None:
    assert shown(Evidence(*item), SITE, "it") == f"{words} (17 giu 2024 10:00, ward)"


def test_the_clock_is_that_of_the_hospital() -> None:
    assert clock(NOW, SITE, "en") == "17 Jun 2024 10:00"
    assert clock(NOW, SITE, "it") == "17 giu 2024 10:00"
