"""What a page also shows of a patient: it pages nobody, and stands on the next page."""

from tests.support.ward import INFUSED, Ward, message


def test_context_pages_nobody_and_stands_on_the_next_page(ward: Ward) -> None:
    ward.send(message("registration", ward.now, source="ehr", infused=INFUSED, allergies="co-trimoxazole"))
    ward.send(message("reading", ward.now, reading="weight", value="160", unit="lb", by="person"))
    ward.statement("culture_positive")
    ward.give("antibiotic")
    ward.give("fluid_bolus", 500, "mL")
    assert ward.new_pages() == []
    ward.jump(hours=1)
    ward.normal(temp=38.9, sbp=84)
    text = ward.page().text
    assert "infection: neutrophils not charted, culture positive 13 Jun 10:00, no imaging charted, " in text
    assert "antibiotic since 13 Jun 10:00" in text
    assert "fluid boluses in 6 h: 1, 500 mL" in text
    assert "weight 72.5748 kg (13 Jun 10:00): 8 mg/kg is 581 mg" in text
    assert "allergies: co-trimoxazole" in text
    assert "antibiotic doses at most 48 h apart are one course" in text


def test_the_examinations_that_icans_2_asks_for_are_owed_until_a_clinician_says_they_are_done(ward: Ward) -> None:
    ward.ice(5)
    page = ward.page()
    assert "ICANS 2: EEG owed, MRI owed" in page.text
    ward.ack(page)
    ward.statement("eeg_done")
    ward.jump(hours=1)
    ward.ice(2)
    assert "ICANS 3: EEG done 13 Jun 10:00, MRI owed" in ward.new_pages()[0].text


def test_a_grade_that_returns_soon_after_a_lower_steroid_dose_is_a_flare_on_taper() -> None:
    ward = Ward(day=6, clock="08:00")
    ward.admit()
    ward.normal(temp=38.9)
    ward.ack(ward.page())
    for hours, mg in ((6, 10), (6, 10), (12, 10), (12, 4)):
        ward.jump(hours=hours)
        ward.give("dexamethasone", mg, "mg")
        ward.normal()
    ward.jump(hours=12)
    ward.normal()
    ward.jump(hours=12)
    ward.new_pages()
    ward.normal(temp=38.6, sbp=84)
    text = ward.new_pages()[0].text
    assert "CRS 2: flare on taper, the steroid was reduced on 20 Jun 08:00" in text
    assert "within 72 h of a steroid reduction is a flare on taper" in text


def test_prophylaxis_has_a_sum_of_its_own_on_the_page_and_travels_with_a_merge() -> None:
    ward = Ward(day=0, clock="12:00")
    ward.admit()
    ward.give("dexamethasone", 10, "mg")
    anakinra = {"drug": "anakinra", "action": "given", "dose": "100", "unit": "mg", "purpose": "prophylaxis"}
    ward.send(message("treatment", ward.now, source="emar", **anakinra))
    ward.admit("P2")
    ward.send(message("merge", ward.now, source="ehr", into="P2"))
    ward.to("10:00", day=1)
    ward.vitals(patient="P2", temp=38.6, sbp=120, spo2=97)
    sums = "dexamethasone 0 mg in all; prophylaxis: anakinra 100 mg, dexamethasone 10 mg"
    assert any(sums in page.text for page in ward.new_pages())
