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
