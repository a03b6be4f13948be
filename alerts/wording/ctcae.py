"""CTCAE and ICAHT: counts, fever and chemistry."""

from alerts.wording.template import Row

TITLES: tuple[Row, ...] = (
    ("febrile neutropenia grade {n}", "neutropenia febbrile grado {n}"),
    ("CTCAE grade 4: {list}", "CTCAE grado 4: {list}"),
    ("no grade 4 count", "nessuna citopenia di grado 4"),
    ("IgG below {n} mg/dL", "IgG sotto {n} mg/dL"),
    ("IgG not low", "IgG non basse"),
    ("{amount} against {n}: {own}", "{amount} rispetto a {n}: {own}"),
)

FEVER: tuple[Row, ...] = (
    ("{cell} for {cell2} h", "{cell} per {cell2} h"),
    ("{what}, so far for {span}", "{what}, finora per {span}"),
    ("{what}, >= {n} for {span}", "{what}, >= {n} per {span}"),
    ("no temperature decides", "nessuna temperatura è decisiva"),
    ("no neutrophil count holds", "nessuna conta dei neutrofili valida"),
    (
        "febrile and neutropenic, the fever not yet by definition: measure again",
        "febbrile e neutropenico, febbre non ancora secondo la definizione: misurare di nuovo",
    ),
)

CHEMISTRY: tuple[Row, ...] = (
    ("{cell} fall from baseline", "calo {cell} dal basale"),
    ("{cell} x baseline", "{cell} x basale"),
    ("anticoagulated: not graded", "in terapia anticoagulante: grado non attribuito"),
    (
        "no baseline from before infusion: taken as normal",
        "nessun basale prima dell'infusione: considerato normale",
    ),
    (
        "no baseline from before infusion: only the multiples of the limit are read",
        "nessun basale prima dell'infusione: si leggono solo i multipli del limite",
    ),
    (
        "within the laboratory's own limits (from {n}): the printed band decides",
        "entro i limiti del laboratorio (da {n}): decide la fascia della tabella",
    ),
    (
        "within the laboratory's own limits (up to {n}): the printed band decides",
        "entro i limiti del laboratorio (fino a {n}): decide la fascia della tabella",
    ),
)

ICAHT: tuple[Row, ...] = (
    (
        "ANC <= 500/µL on {n} and <= 100/µL on {n2} of days {cell}",
        "ANC <= 500/µL in {n} e <= 100/µL in {n2} dei giorni {cell}",
    ),
    ("{cell} days <= 500/µL", "{cell} giorni <= 500/µL"),
    ("{cell} days <= 100/µL", "{cell} giorni <= 100/µL"),
    ("never above 500/µL", "mai sopra 500/µL"),
    (
        "of {what} without a count both neighbours are in one band",
        "per {what} senza conta i due valori vicini sono nella stessa fascia",
    ),
    ("so far: day {n} is not reached", "finora: il giorno {n} non è raggiunto"),
    ("the {what} <= 500/µL are not consecutive", "<= 500/µL per {what} non consecutivi"),
    ("{what} ({what2} without a count)", "{what} ({what2} senza conta)"),
    ("{what} ({what2} with only a bound)", "{what} ({what2} con solo un limite)"),
    ("{what}: cannot change the grade", "{what}: non può cambiare il grado"),
    ("no count of days {cell} yet", "ancora nessuna conta dei giorni {cell}"),
    ("{what} from day {n} on", "{what} dal giorno {n}"),
    ("{what} after day {n}", "{what} dopo il giorno {n}"),
    ("only one count after day {n}", "una sola conta dopo il giorno {n}"),
    ("a second count", "una seconda conta"),
    ("no count after day {n}, this is day {n2}", "nessuna conta dopo il giorno {n}, oggi è il giorno {n2}"),
    ("the two lowest since day {n}, {what}", "le due più basse dal giorno {n}, {what}"),
    (
        "days are counted from infusion, and none is charted",
        "i giorni si contano dall'infusione, e nessuna è registrata",
    ),
)

ROWS = (*TITLES, *FEVER, *CHEMISTRY, *ICAHT)
