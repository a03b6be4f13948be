"""The ward that most behaviour tests begin with."""

import pytest

from tests.support.ward import Ward


@pytest.fixture
def ward() -> Ward:
    """One admitted patient, baseline ICE 10, on day +1 at 10:00; nothing has been paged."""
    ward = Ward(day=1, clock="10:00")
    ward.admit()
    assert ward.new_pages() == []
    return ward
