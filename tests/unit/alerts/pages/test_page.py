"""The words of one page."""

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from alerts.assessment.assessment import assess
from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.episodes.delivery_log import HandedOver, Reason
from alerts.episodes.episode import Episode
from alerts.episodes.lifecycle import apply_finding, now_at
from alerts.grading.result import Evidence
from alerts.pages.concern import ChartCorrection, PageConcern
from alerts.pages.page import minimal_text, text
from alerts.rules.finding import Finding
from alerts.wording.catalogue import DISCLAIMER, say
from alerts.wording.phrase import Name, Phrase, named, phrase
from config.site import Language, Site, Urgency
from tests.support.charts import NOW, SITE, chart, dose, hours, reading


def finding(level: int = 2, urgency: Urgency = "high", condition: str = "crs", **more: object) -> Finding:
    name = f"{condition.upper()} grade {level}"
    return Finding(condition=condition, level=level, urgency=urgency, title=Phrase(name), **more)  # type: ignore[arg-type]


def episode(said: Finding) -> Episode:
    opened = apply_finding("P1", None, None, said, NOW - hours(2), NOW, timedelta(hours=6)).episode
    assert opened is not None
    return opened


def concern(said: Finding, reason: Reason = "new") -> PageConcern:
    return PageConcern(episode(said), reason, said)


def page_text(*concerns: PageConcern, folded: Chart | None = None, language: Language = "en", site: Site = SITE) -> str:
    folded = folded or chart(reading("temperature", "38.5", NOW), reading("ice", 9, NOW))
    return text(list(concerns), folded, assess(folded, NOW, site), site, at=NOW, page="e.1", language=language)


def test_the_text_says_by_whom_it_was_handed_over() -> None:
    said = finding()
    passed = PageConcern(replace(episode(said), handed_over=(HandedOver("haematologist-1", NOW),)), "handed_over", said)
    first = "since 17 Jun 08:00, handed over by Haematologist on call"
    assert page_text(passed).splitlines()[0] == first
    assert page_text(passed, language="it").splitlines()[0].endswith(", passato da Haematologist on call")
    gone = replace(passed, episode=replace(passed.episode, handed_over=(HandedOver("left-last-year", NOW),)))
    assert page_text(gone).splitlines()[0].endswith(", handed over by left-last-year")


def test_a_minimal_page_names_only_urgency_and_page() -> None:
    said = [concern(finding(3, "critical", "icans"))]
    heading, body = minimal_text(said, "e.1", "en")
    assert str(heading) == "[CRITICAL] cartwatch page e.1"
    assert body == f"Open the ward board for page e.1. {DISCLAIMER}"
    heading, body = minimal_text(said, "e.1", "it")
    assert str(heading) == "[CRITICO] avviso cartwatch e.1"
    assert body == f"Aprire la lavagna di reparto per l'avviso e.1. {say(DISCLAIMER, 'it')}"


# -- text ------------------------------------------------------------------------------------------


def test_the_text_ends_with_the_time_on_the_wards_clock_the_pages_id_and_what_it_is_not() -> None:
    assert page_text(concern(finding())).endswith(f"\n17 Jun 10:00, page e.1\n{DISCLAIMER}")


def test_the_first_paragraph_carries_the_readings_and_since_when() -> None:
    signs = (Evidence(*reading("temperature", "38.9", NOW)), Evidence(*reading("systolic_bp", 84, NOW)))
    said = finding(because=(Phrase("fever 38.9 °C (>= 38.0)"),), evidence=signs)
    assert page_text(concern(said)).splitlines()[:4] == [
        "temperature 38.9 °C, systolic pressure 84 mmHg (17 Jun 10:00, ward)",
        "since 17 Jun 08:00",
        "",
        "because fever 38.9 °C (>= 38.0)",
    ]


def test_the_body_does_not_repeat_the_title() -> None:
    said = concern(finding(2, evidence=(Evidence(*reading("systolic_bp", 84, NOW)),)))
    lead = page_text(said).partition("\n\n")[0]
    assert "CRS" not in lead
    assert "P1" not in lead


def test_since_is_when_the_grade_named_began_and_beside_it_stands_the_episodes_beginning() -> None:
    now = now_at(now_at(episode(finding(2)), 0, NOW - hours(1)), 2, NOW)
    assert page_text(PageConcern(now, "repeat", finding(2))).splitlines()[0] == (
        "since 17 Jun 10:00, episode since 17 Jun 08:00"
    )


@pytest.mark.parametrize(
    ("level", "words", "italian"),
    [
        (1, "was 2, now 1, since 17 Jun 10:00", "era 2, ora 1, dal 17 giu 10:00"),
        (0, "was 2, now 0, clearing since 17 Jun 10:00", "era 2, ora 0, in risoluzione dal 17 giu 10:00"),
        (None, "undetermined since 17 Jun 10:00", "indeterminato dal 17 giu 10:00"),
    ],
)
def test_an_episode_that_is_lower_now_says_so_and_quotes_no_reminder_of_what_it_was(
    level: int | None, words: str, italian: str
) -> None:
    lower = now_at(episode(finding(2)), level, NOW)
    said = PageConcern(lower, "still_on_it", None if level is None else finding(level))
    assert page_text(said).startswith(f"{words}, episode since 17 Jun 08:00\n")
    assert page_text(said, language="it").startswith(f"{italian}, episodio dal 17 giu 08:00\n")
    assert "tocilizumab 8 mg/kg" not in page_text(said)


def test_a_repeat_keeps_the_reason_of_the_first_page() -> None:
    events = (phrase("ICE fell by {n}, from {n2} to {n3}", n=9, n2=10, n3=1),)
    fell = episode(finding(3, "critical", "icans", events=events))
    later = PageConcern(fell, "repeat", finding(3, "critical", "icans", because=(Phrase("ICE 1: grade 3 (0-2)"),)))
    assert "first paged because ICE fell by 9, from 10 to 1" in page_text(later).splitlines()
    assert "primo avviso per: ICE sceso di 9, da 10 a 1" in page_text(later, language="it").splitlines()


def test_a_retraction_says_what_changed_when_and_by_whom() -> None:
    before = Entry(NOW, "lis", "p", value=Decimal(18))
    change = ChartCorrection("platelets", before, replace(before, value=Decimal(180)), NOW, "lis")
    counts = episode(finding(4, "low", "cytopenia", members=("platelets",)))
    taken = PageConcern(counts, "retracted", None, changes=(change,))
    assert page_text(taken).splitlines()[0] == ("PLT 18 corrected to 180 at 17 Jun 10:00 by lis: grade 4 withdrawn")
    assert page_text(taken, language="it").splitlines()[0] == (
        "PLT 18 corretto in 180 il 17 giu 10:00 da lis: grado 4 ritirato"
    )


def test_a_technical_text_explains_itself_after_the_clause_that_is_the_title() -> None:
    silent = replace(
        episode(finding(1, "technical", "feed lab")),
        title=Phrase("nothing from lab since 17 Jun 09:12; silence here does not mean that its patients are well"),
    )
    lines = text(
        [PageConcern(silent, "new", None)], Chart(), None, SITE, at=NOW, page="e.1", language="en"
    ).splitlines()
    assert lines[:2] == ["silence here does not mean that its patients are well", "since 17 Jun 08:00"]


def test_of_several_concerns_each_is_named_with_its_grade_and_readings_before_any_is_explained() -> None:
    signs = (Evidence(*reading("systolic_bp", 84, NOW)),)
    one, other = (
        finding(because=(Phrase(f"reason {name}"),), condition=name, evidence=signs) for name in ("crs", "icans")
    )
    assert page_text(concern(one), concern(other)).splitlines()[:7] == [
        "CRS 2: systolic pressure 84 mmHg (17 Jun 10:00, ward); since 17 Jun 08:00",
        "ICANS 2: systolic pressure 84 mmHg (17 Jun 10:00, ward); since 17 Jun 08:00",
        "",
        "CRS 2",
        "  because reason crs",
        "ICANS 2",
        "  because reason icans",
    ]


def test_an_episode_paged_for_two_reasons_is_explained_once() -> None:
    said = finding(because=(Phrase("fever"),))
    both = PageConcern(episode(said), "new", said), PageConcern(episode(said), "handed_over", said)
    assert page_text(*both).count("because fever") == 1


def test_whoever_has_it_is_asked_whether_they_are_still_on_it() -> None:
    lines = page_text(concern(finding(because=(Phrase("fever"),)), "still_on_it")).splitlines()
    assert lines[1] == "still on it? The ladder starts again without an answer"
    lines = page_text(concern(finding(because=(Phrase("fever"),)), "still_on_it"), language="it").splitlines()
    assert lines[1] == "ancora in carico? Senza risposta le chiamate ricominciano"


def test_the_lines_stand_in_order_of_importance() -> None:
    said = finding(
        because=(Phrase("fever"),),
        evidence=(Evidence(*reading("systolic_bp", 84, NOW)),),
        missing=(named("vasopressor"),),
        flags=(Phrase("confounded"),),
        conventions=("crs.hypotension_systolic",),
    )
    sample = (reading("ldh", 320, NOW), reading("crp", 85, NOW), reading("platelets", 45, NOW))
    lines = page_text(concern(said), folded=chart(*sample)).splitlines()
    starts = [line.split()[0].rstrip(":") for line in lines if line]
    assert starts == [
        *("systolic", "since", "because", "missing", "note"),
        *("Now", "m-EASIX", "Given", "Protocol", "conventions", "17", "Decision"),
    ]


def test_reasons_readings_what_is_missing_remarks_and_conventions_all_stand_on_the_page() -> None:
    said = finding(
        because=(Phrase("systolic 84 < 90"),),
        evidence=(Evidence(*reading("systolic_bp", 84, NOW)),),
        missing=(named("vasopressor"),),
        flags=(phrase("day {n}: attribution to be confirmed", n=16),),
        conventions=("crs.hypotension_systolic",),
        provisional=True,
    )
    lines = page_text(concern(said)).splitlines()
    assert "provisional: at least this grade" in lines
    assert "because systolic 84 < 90" in lines
    assert "systolic pressure 84 mmHg (17 Jun 10:00, ward)" in lines
    assert "missing: vasopressor" in lines
    assert "note: day 16: attribution to be confirmed" in lines
    convention = SITE.conventions.crs.hypotension_systolic.basis
    assert f"conventions: {convention}" in lines


def test_a_convention_of_several_concerns_is_named_once() -> None:
    said = [concern(finding(condition=name, conventions=("crs.hypoxia_spo2",))) for name in ("crs", "icans")]
    assert page_text(*said).count(SITE.conventions.crs.hypoxia_spo2.basis) == 1


def test_a_page_says_in_either_language_which_conventions_it_depends_on() -> None:
    said = concern(finding(conventions=("crs.hypoxia_spo2", "a.name_of_yesterday")))
    assert "convenzioni: SpO2 sotto 92 % in aria ambiente\n" in (page_text(said, language="it"))


def test_a_sites_own_basis_is_shown_as_it_is_written() -> None:
    own = SITE.conventions.crs.hypoxia_spo2.model_copy(update={"basis": "our own audit of 2023"})
    crs = SITE.conventions.crs.model_copy(update={"hypoxia_spo2": own})
    site = SITE._replace(conventions=SITE.conventions.model_copy(update={"crs": crs}))
    said = concern(finding(conventions=("crs.hypoxia_spo2",)))
    assert "convenzioni: our own audit of 2023" in page_text(said, language="it", site=site)


def test_a_concern_without_a_finding_is_one_line() -> None:
    alone = page_text(PageConcern(episode(finding()), "resolved", None))
    assert "because" not in alone
    assert alone.startswith("episode since 17 Jun 08:00\n\nNow: ")


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
    line = "m-EASIX 60.44, log2 5.92, was 28.44 on 16 Jun 10:00"
    assert line in page_text(concern(finding()), folded=folded).splitlines()
    translated = "m-EASIX 60.44, log2 5.92, era 28.44 il 16 giu 10:00"
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
        because=(
            phrase("hypotension with one vasopressor: grade {n} ({list})", n=3, list=Name("norepinephrine")),
            Phrase("words of a later version"),
        ),
        evidence=(Evidence(*dose("norepinephrine", NOW, "started")), Evidence(*reading("spo2", 93, NOW))),
        missing=(named("oxygen_device"),),
        flags=(phrase("day {n}: attribution to be confirmed", n=16),),
        conventions=("crs.single_vasopressor_dose_holds",),
        provisional=True,
        level=3,
    )
    sample = (reading("ldh", 320, NOW), reading("crp", 85, NOW), reading("platelets", 45, NOW))
    folded = chart(*sample, reading("temperature", "38.5", NOW), dose("tocilizumab", NOW - hours(3)))
    worse = PageConcern(replace(episode(said), was=2), "worse", said)
    assert page_text(worse, folded=folded, language="it").splitlines() == [
        "noradrenalina, inizio (17 giu 10:00, emar); SpO2 93 % (17 giu 10:00, ward)",
        "dal 17 giu 08:00",
        "",
        "motivo: ipotensione con un vasopressore: grado 3 (noradrenalina)",
        "motivo: words of a later version",
        "provvisorio: almeno questo grado",
        "manca: supporto di ossigeno",
        "nota: giorno 16: attribuzione da confermare",
        "Ora: CRS 1, ICANS indeterminato",
        "m-EASIX 60.44, log2 5.92 (dopo tocilizumab, influenzato da trattamenti)",
        "Somministrati: tocilizumab: dosi 1 su 4 (1 su 3 in 24 h, ultima 3 h fa); desametasone 0 mg in totale",
        "Promemoria di protocollo (linea guida ASCO, edizione tascabile): terapia intensiva; tocilizumab se restano "
        "dosi, più desametasone 10 mg ogni 6 h [dosi di tocilizumab rimaste: 3 su 4, la prossima dal 17 giu 15:00; "
        "peso non registrato]",
        "convenzioni: un vasopressore registrato come somministrato, senza inizio e fine, si considera in corso per "
        "12 h",
        "17 giu 10:00, avviso e.1",
        "Supporto decisionale, non è un dispositivo medico. Il monitor al letto resta il riferimento principale.",
    ]


@pytest.mark.parametrize("language", ["en", "it"])
def test_every_page_ends_by_saying_what_it_is_not(language: Language) -> None:
    assert page_text(concern(finding()), language=language).endswith(f"\n{say(DISCLAIMER, language)}")


def test_a_page_of_the_site_has_no_background() -> None:
    said = concern(finding(1, "technical", "intake lab"))
    shown_text = text([said], Chart(), None, SITE, at=NOW, page="e.1", language="en")
    assert "Now:" not in shown_text
    assert "Given:" not in shown_text
