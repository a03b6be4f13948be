"""The IEC-HS screen, and what is overdue."""

from alerts.wording.template import Row

IEC_HS: tuple[Row, ...] = (
    ("consider", "considerare"),
    ("consider IEC-HS", "considerare IEC-HS"),
    ("no reason to consider IEC-HS", "nessun motivo per considerare IEC-HS"),
    ("IEC-HS is not suspected", "IEC-HS non sospetta"),
    ("whether to consider IEC-HS is open", "da chiarire se considerare IEC-HS"),
    ("no CRS", "nessuna CRS"),
    (
        "no temperature was ever charted: CRS is not known",
        "nessuna temperatura mai registrata: CRS non nota",
    ),
    ("CRS closed on {at}, before the latest ferritin", "CRS chiusa il {at}, prima dell'ultima ferritina"),
    (
        "CRS was closed when the latest ferritin was drawn",
        "CRS già chiusa al prelievo dell'ultima ferritina",
    ),
    ("no CRS before the latest ferritin", "nessuna CRS prima dell'ultima ferritina"),
    (
        "CRS below its highest, grade {n}, since {at}",
        "CRS sotto il suo massimo, grado {n}, dal {at}",
    ),
    ("CRS cannot be graded since its highest", "CRS non valutabile dopo il suo massimo"),
    ("CRS grade since its highest: {what}", "grado di CRS dopo il suo massimo: {what}"),
    (
        "CRS at its highest, grade {n}, when the latest ferritin was drawn",
        "CRS al suo massimo, grado {n}, al prelievo dell'ultima ferritina",
    ),
    ("no ferritin holds", "nessuna ferritina valida"),
    ("ferritin at infusion", "ferritina all'infusione"),
    ("ferritin of the {span} before the latest", "ferritina delle {span} prima dell'ultima"),
    ("{what} {sign} {n} x ULN ({n2})", "{what} {sign} {n} x ULN ({n2})"),
    ("{what} not {sign} {n} x ULN ({n2})", "{what} non {sign} {n} x ULN ({n2})"),
    ("{what} {sign} {n} x the value at infusion ({n2})", "{what} {sign} {n} x il valore all'infusione ({n2})"),
    (
        "{what} not {sign} {n} x the value at infusion ({n2})",
        "{what} non {sign} {n} x il valore all'infusione ({n2})",
    ),
    ("{what} {sign} {n} x that of {at} ({n2})", "{what} {sign} {n} x quella del {at} ({n2})"),
    ("{what} not {sign} {n} x that of {at} ({n2})", "{what} non {sign} {n} x quella del {at} ({n2})"),
    ("the value at infusion is only a bound: {amount}", "il valore all'infusione è solo un limite: {amount}"),
    ("that of {at} is only a bound: {amount}", "quella del {at} è solo un limite: {amount}"),
    (
        "ferritin (the value at infusion is only a bound: {amount})",
        "ferritina (il valore all'infusione è solo un limite: {amount})",
    ),
    (
        "ferritin (that of {at} is only a bound: {amount})",
        "ferritina (quella del {at} è solo un limite: {amount})",
    ),
    ("not grade 4", "non grado 4"),
    ("grade 4 since {at}: new", "grado 4 dal {at}: di nuova insorgenza"),
    (
        "grade 4 since {at}, longer than {span}: not new",
        "grado 4 dal {at}, da oltre {span}: non di nuova insorgenza",
    ),
    (
        "grade 4 since {at}, whether new is open",
        "grado 4 dal {at}, da chiarire se di nuova insorgenza",
    ),
    ("{what} before {at}", "{what} prima del {at}"),
)

OVERDUE: tuple[Row, ...] = (
    (
        "{what} overdue: last {at}, to be charted every {n} h",
        "{what} in ritardo: ultimo rilievo {at}, da registrare ogni {n} h",
    ),
    (
        "{what} overdue: last never, to be charted every {n} h",
        "{what} in ritardo: mai registrato, da registrare ogni {n} h",
    ),
    (
        "{what} overdue: none since {at}, to be charted every {n} h",
        "{what} in ritardo: nessun rilievo dal {at}, da registrare ogni {n} h",
    ),
    (
        "none since {at}; due every {n} h, told when late by half of that",
        "nessun rilievo dal {at}; previsto ogni {n} h, segnalato con un ritardo di metà intervallo",
    ),
    ("no check-in: {list}", "nessun riscontro: {list}"),
    ("check-ins in time", "riscontri nei tempi"),
    ("neurological check", "controllo neurologico"),
    ("laboratory values", "esami di laboratorio"),
    ("{what}: last {at}, due every {n} h", "{what}: ultimo rilievo {at}, previsto ogni {n} h"),
    ("{what}: none since {at}, due every {n} h", "{what}: nessun rilievo dal {at}, previsto ogni {n} h"),
    ("after discharge, would be {what}", "dopo la dimissione, sarebbe {what}"),
    ("nothing to report after discharge", "nulla da segnalare dopo la dimissione"),
    ("{what} in time", "{what} nei tempi"),
    (
        "last {at}; due every {n} h, told when late by half of that",
        "ultimo rilievo {at}; previsto ogni {n} h, segnalato con un ritardo di metà intervallo",
    ),
    (
        "last never; due every {n} h, told when late by half of that",
        "mai registrato; previsto ogni {n} h, segnalato con un ritardo di metà intervallo",
    ),
)

ROWS = (*IEC_HS, *OVERDUE)
