"""The trend picture: its labels, which have little room, and the same in words."""

from alerts.wording.template import Row

LABELS: tuple[Row, ...] = (
    ("until {at}", "fino al {at}"),
    ("pressure", "pressione"),
    ("sys", "PAS"),
    ("mean", "PAM"),
    ("ICE of 10", "ICE su 10"),
    ("red cells", "emazie"),
    ("methylpred.", "metilpred."),
    ("immunoglob.", "immunoglob."),
    ("norepineph.", "noradren."),
    ("dexameth.", "desametas."),
    ("phenyleph.", "fenilefrina"),
    ("neutroph.", "neutrofili"),
    ("lymphoc.", "linfociti"),
    ("haemogl.", "emoglob."),
)

WORDS: tuple[Row, ...] = (
    ("Trend from {at} to {at2}.", "Andamento dal {at} al {at2}."),
    ("{name} grade: {steps}.", "{name}, grado: {steps}."),
    ("{grade} from {at}", "{grade} dal {at}"),
    (
        "{name}: last {value} ({at}), highest {highest} ({at2}).",
        "{name}: ultimo valore {value} ({at}), massimo {highest} ({at2}).",
    ),
    (
        "{name}: last {value} ({at}), lowest {lowest} ({at2}).",
        "{name}: ultimo valore {value} ({at}), minimo {lowest} ({at2}).",
    ),
    ("given {at}", "somministrazione il {at}"),
    ("from {at} to {at2}", "dal {at} al {at2}"),
)

ROWS = (*LABELS, *WORDS)
