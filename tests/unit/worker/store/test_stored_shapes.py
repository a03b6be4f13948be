"""The description of a stored shape changes with whatever a reader of old data would stumble over, and with no more."""

from typing import Literal, NamedTuple

import pytest
from msgspec import Struct

from tests.support.stored_shapes import codecs, shape


class Ward(Struct):
    name: str
    beds: int = 0


class Renamed(Struct):
    name: str
    places: int = 0


class Retyped(Struct):
    name: str
    beds: str = "0"


class Redefaulted(Struct):
    name: str
    beds: int = 1


class Asked(Struct):
    name: str
    beds: int


class Arrayed(Struct, array_like=True):
    name: str
    beds: int = 0


class SameUnderAnotherName(Struct):
    name: str
    beds: int = 0


class Hospital(Struct):
    wards: dict[str, tuple[Ward, ...]]
    main: Ward | None = None
    colour: Literal["red", "blue"] = "red"


class OtherHospital(Struct):
    wards: dict[str, tuple[Renamed, ...]]
    main: Renamed | None = None
    colour: Literal["red", "blue"] = "red"


class Place(NamedTuple):
    ward: str
    bed: int


def test_a_shape_names_every_field_once() -> None:
    assert shape("hospital", Hospital) == [
        "hospital: struct",
        "hospital.wards: str -> vartuple of struct",
        "hospital.wards{}[].name: str",
        "hospital.wards{}[].beds: int = 0",
        "hospital.main: as hospital.wards{}[] | none = null",
        "hospital.colour: one of 'blue', 'red' = \"red\"",
    ]
    assert shape("place", Place) == ["place: namedtuple", "place.ward: str", "place.bed: int"]


@pytest.mark.parametrize("other", [Renamed, Retyped, Redefaulted, Asked, Arrayed])
def test_what_an_older_value_would_be_read_wrongly_by_is_another_shape(other: type) -> None:
    assert shape("ward", other) != shape("ward", Ward)


def test_a_change_deep_inside_is_a_change() -> None:
    assert shape("hospital", OtherHospital) != shape("hospital", Hospital)


def test_the_name_of_a_class_is_not_stored() -> None:
    assert shape("ward", SameUnderAnotherName) == shape("ward", Ward)


def test_every_kind_of_packed_value_is_found() -> None:
    kinds = {"state", "unregistered", "owed page", "refused", "dead letter", "journal", "export", "exported page"}
    assert set(codecs()) == kinds
