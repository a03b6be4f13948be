"""The trend picture: what it shows of a chart, in words, as SVG and as PNG."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import combinations, pairwise
from typing import Any

import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from alerts.chart.chart import Chart
from alerts.chart.charting import chart_message
from alerts.messages import MESSAGE, AnyMessage
from alerts.wording.catalogue import say
from config.site import Language, load_site
from config.vocabulary import DRUGS
from worker.report.palette import DAY, NIGHT, Theme
from worker.report.scene import FONT, Text
from worker.report.subject import OF_CONDITION, heading
from worker.report.trend import MOMENTS, SHOWN, gather, moments
from worker.report.trend_picture import LEFT, SMALL, WIDTH, describe, png, scene, svg

SITE = load_site()
INFUSED = datetime(2024, 6, 12, 10, 0, tzinfo=SITE.zone)
NOW = INFUSED + timedelta(days=5)
UNITS = {"temperature": "Cel", "systolic_bp": "mm[Hg]", "mean_bp": "mm[Hg]", "spo2": "%"}


def charted(messages: list[AnyMessage], at: datetime = NOW) -> Chart:
    chart = Chart()
    for message in messages:
        if message.effective <= at:
            chart = chart_message(chart, message, at, SITE).chart
    return chart


def message(type_: str, at: datetime, **fields: Any) -> AnyMessage:
    body = {"type": type_, "id": f"{at} {sorted(fields.items())}", "source": "ward", "patient": "P1", "effective": at}
    return MESSAGE.validate_python({**body, **fields})


def reading(kind: str, value: object, ago: float, by: str = "person") -> AnyMessage:
    fields = {"reading": kind, "value": value, "by": by}
    unit = {"unit": UNITS[kind]} if kind in UNITS else {}
    return message("reading", NOW - timedelta(hours=ago), **fields, **unit)


def treatment(drug: str, action: str, ago: float) -> AnyMessage:
    return message("treatment", NOW - timedelta(hours=ago), drug=drug, action=action)


REGISTERED = message("registration", INFUSED - timedelta(days=1), infused=INFUSED, ward="<HAEM>", bed='1"2')
COURSE = [
    REGISTERED,
    reading("temperature", "38.9", 40),
    reading("systolic_bp", 118, 40),
    reading("spo2", 97, 40),
    reading("systolic_bp", 84, 30),
    reading("temperature", "38.4", 30),
    reading("ice", 10, 30),
    treatment("tocilizumab", "given", 29),
    treatment("norepinephrine", "started", 28),
    treatment("norepinephrine", "stopped", 20),
    reading("temperature", "36.9", 4),
    reading("systolic_bp", 121, 4),
    reading("ice", 3, 4),
    treatment("levetiracetam", "started", 3),
]


@pytest.fixture(scope="module")
def chart() -> Chart:
    return charted(COURSE)


# -- what is shown ---------------------------------------------------------------------------------


def test_it_shows_the_last_three_days(chart: Chart) -> None:
    trend = gather(chart, NOW, SITE)
    assert (trend.start, trend.end, trend.day) == (NOW - SHOWN, NOW, 5)
    assert [str(point.value) for point in trend.series["temperature"]] == ["38.9", "38.4", "36.9"]
    assert set(trend.series) == {"temperature", "systolic_bp", "spo2", "ice"}


@pytest.mark.parametrize(("hours", "shown"), [(30, 30), (2, 6), (100, 72)])
def test_soon_after_the_infusion_it_begins_with_it(hours: int, shown: int) -> None:
    now = INFUSED + timedelta(hours=hours)
    trend = gather(charted([REGISTERED], now), now, SITE)
    assert trend.end - trend.start == timedelta(hours=shown)


def test_grades_are_bands_that_follow_each_other(chart: Chart) -> None:
    trend = gather(chart, NOW, SITE)
    assert [band.grade for band in trend.grades["CRS"] if band.grade][:3] == [1, 2, 3]
    assert [band.grade for band in trend.grades["ICANS"]][-1] == 2
    for bands in trend.grades.values():
        assert (bands[0].since, bands[-1].until) == (trend.start, trend.end)
        assert all(one.until == two.since for one, two in pairwise(bands))


def test_a_treatment_is_a_moment_or_a_length_of_time(chart: Chart) -> None:
    lanes = {lane.name: lane for lane in gather(chart, NOW, SITE).lanes}
    assert lanes["tocilizumab"].given == (NOW - timedelta(hours=29),)
    assert lanes["norepinephrine"].ran == ((NOW - timedelta(hours=28), NOW - timedelta(hours=20)),)
    assert lanes["levetiracetam"].ran == ((NOW - timedelta(hours=3), NOW),)


def test_an_infusion_that_began_before_is_cut_and_one_that_ended_before_is_left_out() -> None:
    begun = [treatment("levetiracetam", "started", 90), treatment("dexamethasone", "given", 80)]
    ended = [treatment("norepinephrine", "started", 90), treatment("norepinephrine", "stopped", 80)]
    [lane] = gather(charted([*begun, *ended]), NOW, SITE).lanes
    assert (lane.name, lane.ran) == ("levetiracetam", ((NOW - SHOWN, NOW),))


def monitored(hours: int = 72) -> Chart:
    """A monitor that speaks every ten minutes, with one deep fall of the pressure."""
    found = [REGISTERED]
    for minute in range(0, hours * 60, 10):
        ago = hours - minute / 60
        found.append(reading("systolic_bp", 61 if abs(ago - 31) < 0.05 else 120, ago, "monitor"))
        found.append(reading("temperature", "38.6" if 20 < ago < 50 else "36.8", ago, "monitor"))
    return charted(found)


def test_it_is_graded_at_a_bounded_number_of_moments_among_them_the_worst() -> None:
    chart = monitored()
    at = moments(chart, NOW - SHOWN, NOW)
    assert len(at) <= MOMENTS
    assert at == sorted(set(at))
    assert (at[0], at[-1]) == (NOW - SHOWN, NOW)
    assert NOW - timedelta(hours=31) in at


@pytest.mark.parametrize("ago", [0.0, 0.05])
def test_a_grade_that_has_just_changed_is_seen_with_its_number(ago: float) -> None:
    """A page comes at the moment of its reading: the band of its grade had no width, and the strip ended in 1."""
    found = [REGISTERED, reading("temperature", "38.9", 10), reading("systolic_bp", 118, 10)]
    found.append(message("statement", NOW - timedelta(hours=ago), statement="hypotension", value=True, by="person"))
    drawn = scene(gather(charted(found), NOW, SITE), SITE.zone, "en", NIGHT, "")
    row = [shape for shape in drawn.shapes if isinstance(shape, Text) and shape.anchor == "middle" and shape.bold]
    first = [text.text for text in row if text.y == min(shape.y for shape in row)]
    assert first[-2:] == ["1", "2"]


COUNTS_SHOWN = ("hemoglobin", "platelets", "neutrophils", "white_cells", "lymphocytes")
SUBJECT = [
    REGISTERED,
    *(
        message("reading", NOW - timedelta(hours=ago), reading=kind, value=value, unit=unit, by="laboratory")
        for ago, values in ((50, (612, "42.5", 71)), (26, (840, "85", 38)), (2, (1295, "181.4", 18)))
        for kind, value, unit in zip(("ldh", "crp", "platelets"), values, ("U/L", "mg/L", "10*9/L"), strict=True)
    ),
    reading("temperature", "38.9", 2),
]


@pytest.mark.parametrize("language", ["en", "it"])
def test_a_page_about_m_easix_shows_it_and_its_parts_first(language: Language) -> None:
    about = ("m_easix", "ldh", "crp", "platelets")
    trend = gather(charted(SUBJECT), NOW, SITE, about)
    assert trend.subjects == about
    assert [round(point.value, 1) for point in trend.series["m_easix"]][-1] == round(
        Decimal(1295) * Decimal("18.14") / 18, 1
    )
    drawn = scene(trend, SITE.zone, language, NIGHT, "")
    titles = [shape.text for shape in drawn.shapes if isinstance(shape, Text) and shape.x == 16]
    names = ["m-EASIX", "LDH U/L", "CRP mg/L", "platelets ×10⁹/L", "temperature °C"]
    assert [title for title in titles if title not in ("CRS", "ICANS")][1:6] == (
        names if language == "en" else ["m-EASIX", "LDH U/L", "PCR mg/L", "piastrine ×10⁹/L", "temperatura °C"]
    )
    assert "m-EASIX: " in describe(charted(SUBJECT), NOW, SITE, language, about)
    written = [shape for shape in drawn.shapes if isinstance(shape, Text)]
    for one, other in combinations(written, 2):
        (left, right, top, bottom), (left2, right2, top2, bottom2) = extent(one), extent(other)
        assert right <= left2 or right2 <= left or bottom <= top2 or bottom2 <= top, (one.text, other.text)


@pytest.mark.parametrize(
    "kind", sorted({kind for kinds in OF_CONDITION.values() for kind in kinds} | set(COUNTS_SHOWN))
)
def test_every_subject_has_its_name_in_both_languages(kind: str) -> None:
    english, italian = (say(heading(kind), language) for language in ("en", "it"))
    assert english == heading(kind)
    assert italian != english or kind in ("m_easix", "ldh", "igg")


def test_a_page_about_platelets_shows_platelets() -> None:
    trend = gather(charted(SUBJECT), NOW, SITE, ("platelets",))
    assert [str(point.value) for point in trend.series["platelets"]] == ["71", "38", "18"]
    assert trend.subjects == ("platelets",)


# -- in words --------------------------------------------------------------------------------------


def test_it_is_described_in_words(chart: Chart) -> None:
    words = describe(chart, NOW, SITE, "en")
    assert "temperature: last 36.9 °C (17 Jun 06:00), highest 38.9 °C (15 Jun 18:00)." in words
    assert "systolic pressure: last 121 mmHg (17 Jun 06:00), lowest 84 mmHg (16 Jun 04:00)." in words
    assert "tocilizumab: given 16 Jun 05:00." in words
    assert "norepinephrine: from 16 Jun 06:00 to 16 Jun 14:00." in words
    assert "CRS grade: " in words


def test_it_is_described_to_an_italian_reader_in_italian(chart: Chart) -> None:
    lines = describe(chart, NOW, SITE, "it").splitlines()
    assert lines[0] == "Andamento dal 14 giu 10:00 al 17 giu 10:00."
    assert lines[1].startswith("CRS, grado: indeterminato dal 14 giu 10:00, 1 dal 15 giu 18:00")
    assert "temperatura: ultimo valore 36.9 °C (17 giu 06:00), massimo 38.9 °C (15 giu 18:00)." in lines
    assert "pressione sistolica: ultimo valore 121 mmHg (17 giu 06:00), minimo 84 mmHg (16 giu 04:00)." in lines
    assert "tocilizumab: somministrazione il 16 giu 05:00." in lines
    assert "noradrenalina: dal 16 giu 06:00 al 16 giu 14:00." in lines


def test_nothing_charted_is_described_and_drawn_too() -> None:
    assert describe(Chart(), NOW, SITE, "en").startswith(
        "Trend from 14 Jun 10:00 to 17 Jun 10:00.\nCRS grade: undetermined"
    )
    assert ElementTree.fromstring(svg(Chart(), NOW, SITE, "en")).tag.endswith("svg")  # noqa: S314 - our own
    assert png(Chart(), NOW, SITE, "en").startswith(b"\x89PNG")


def test_before_the_infusion_the_grades_are_not_applicable() -> None:
    chart = charted([REGISTERED, message("reading", INFUSED, reading="ice", value=10, by="person")])
    at = INFUSED + timedelta(minutes=1)
    assert "ICANS grade: not applicable from 12 Jun 04:01, 0 from 12 Jun 10:00." in describe(chart, at, SITE, "en")
    assert "ICANS, grado: non applicabile dal 12 giu 04:01, 0 dal 12 giu 10:00." in describe(chart, at, SITE, "it")
    shown = svg(chart, at, SITE, "en")
    assert ">–<" in shown
    assert ">?<" in shown


# -- drawn -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", [NIGHT, DAY])
def test_the_svg_is_well_formed_and_says_what_it_shows(chart: Chart, theme: Theme) -> None:
    drawn = svg(chart, NOW, SITE, "en", theme=theme)
    root = ElementTree.fromstring(drawn)  # noqa: S314 - our own
    assert root.get("role") == "img"
    assert "CRS grade" in (root.get("aria-label") or "")
    texts = ["".join(item.itertext()) for item in root.iter() if item.tag.endswith("text")]
    assert {"CRS", "ICANS", "temperature °C", "36.9", "max 38.9", "tocilizumab", "16 Jun"} <= set(texts)
    assert any('<HAEM>/1"2' in text for text in texts)


def texts(drawn: str) -> list[str]:
    """What is written in a picture."""
    root = ElementTree.fromstring(drawn)  # noqa: S314 - our own
    return ["".join(item.itertext()) for item in root.iter() if item.tag.endswith("text")]


def test_the_labels_are_in_the_reader_s_language(chart: Chart) -> None:
    both = [texts(svg(chart, NOW, SITE, language)) for language in ("en", "it")]
    named = {english: italian for english, italian in zip(*both, strict=True) if english != italian}
    assert named == {
        '<HAEM>/1"2  D+5': '<HAEM>/1"2  G+5',
        "until 17 Jun 10:00": "fino al 17 giu 10:00",
        "temperature °C": "temperatura °C",
        "pressure mmHg": "pressione mmHg",
        "sys": "PAS",
        "ICE of 10": "ICE su 10",
        "norepineph.": "noradren.",
        "15 Jun": "15 giu",
        "16 Jun": "16 giu",
        "17 Jun": "17 giu",
    }


def extent(text: Text) -> tuple[float, float, float, float]:
    """Where a text begins and ends, from left to right and from top to bottom."""
    font = FontProperties(family=FONT, size=text.size, weight="bold" if text.bold else "normal")
    width, height, below = TextToPath().get_text_width_height_descent(text.text, font, ismath=False)
    left = text.x - {"start": 0, "middle": width / 2, "end": width}[text.anchor]
    return left, left + width, text.y - height + below, text.y + below


@pytest.mark.parametrize("language", ["en", "it"])
def test_no_label_lies_on_another(language: Language) -> None:
    given = [treatment(drug, "given", 20) for drug in DRUGS]
    means = [reading("mean_bp", 65, 30), reading("mean_bp", 88, 4)]
    full = gather(charted([*COURSE, *means, *given]), NOW, SITE)
    assert len(full.lanes) == len(DRUGS)
    written = [shape for shape in scene(full, SITE.zone, language, NIGHT, "").shapes if isinstance(shape, Text)]
    for one, other in combinations(written, 2):
        (left, right, top, bottom), (left2, right2, top2, bottom2) = extent(one), extent(other)
        assert right <= left2 or right2 <= left or bottom <= top2 or bottom2 <= top, (one.text, other.text)
    assert all(left >= 0 and right <= WIDTH for left, right, *_ in map(extent, written))
    lanes = {text.text: extent(text)[1] for text in written if text.size == SMALL + 2}
    assert len(lanes) == len(DRUGS)
    assert {name for name, right in lanes.items() if right > LEFT} == set()


def test_the_svg_passes_a_strict_policy(chart: Chart) -> None:
    drawn = svg(chart, NOW, SITE, "en")
    for forbidden in ("<script", "style=", "<style", "href", "onload", "<HAEM>"):
        assert forbidden not in drawn


def test_nothing_is_drawn_outside_the_picture(chart: Chart) -> None:
    root = ElementTree.fromstring(svg(chart, NOW, SITE, "en"))  # noqa: S314 - our own
    _, _, width, height = map(float, (root.get("viewBox") or "").split())
    for item in root.iter():
        x, y = float(item.get("x", item.get("cx", 0))), float(item.get("y", item.get("cy", 0)))
        assert 0 <= x <= width
        assert 0 <= y <= height


def test_the_png_is_as_wide_as_asked_and_the_same_each_time(chart: Chart) -> None:
    drawn = png(chart, NOW, SITE, "en", width=720)
    assert int.from_bytes(drawn[16:20], "big") == 720
    assert drawn == png(chart, NOW, SITE, "en", width=720)


def test_a_long_monitor_strip_costs_no_more_than_a_short_picture() -> None:
    assert len(svg(monitored(), NOW, SITE, "en")) < 60_000


def test_importing_the_trend_does_not_import_matplotlib() -> None:
    code = "import sys, worker.report.trend, worker.report.trend_picture; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [NIGHT, DAY])
def test_every_word_can_be_read_on_its_ground(theme: Theme) -> None:
    """4.5 to 1 is what the accessibility guidelines ask of text (WCAG 2.2, 1.4.3); less of large bold figures."""
    for ink in (theme.ink, theme.soft):
        assert contrast(ink, theme.ground) >= 4.5
    for colour in (theme.temperature, theme.systolic, theme.mean, theme.saturation, theme.ice):
        assert contrast(colour, theme.ground) >= 4.5
    for tint in theme.grades.values():
        assert contrast(tint.ink, tint.fill) >= 4.0
