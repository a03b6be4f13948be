"""The ward that most behaviour tests begin with."""

import pytest

from tests.support.ward import Ward


@pytest.fixture
def ward() -> Ward:
    """One admitted patient, baseline ICE 10, on day +1 at 10:00, seen an hour ago; nothing has been paged."""
    ward = Ward(day=1, clock="10:00")
    ward.admit()
    ward.seen_an_hour_ago()
    assert ward.new_pages() == []
    return ward
