"""The EASIX family, CAR-HEMATOTOX and NEWS2."""

from alerts.wording.template import Row

EASIX: tuple[Row, ...] = (
    ("EASIX", "EASIX"),
    ("s-EASIX", "s-EASIX"),
    ("m-EASIX", "m-EASIX"),
    ("m-EASIX {n}", "m-EASIX {n}"),
    (
        "m-EASIX {n} over the site's threshold {n2} for {own}",
        "m-EASIX {n} oltre la soglia del centro {n2} ({own})",
    ),
    ("threshold basis: {own}", "origine della soglia: {own}"),
    ("{what}, {n} h old", "{what}, {n} h fa"),
    ("no set of inputs: {list}", "dati non completi: {list}"),
    ("platelets are 0: no score", "piastrine a 0: nessun punteggio"),
    ("platelets (they are 0)", "piastrine (sono a 0)"),
    ("{what} = {formula} = {n} (log2 {n2})", "{what} = {formula} = {n} (log2 {n2})"),
    ("{what} = {formula} = {n} (log2 undefined)", "{what} = {formula} = {n} (log2 non definito)"),
    ("{what} is at most {n} ({list})", "{what} è al massimo {n} ({list})"),
    ("{what} is at least {n} ({list})", "{what} è almeno {n} ({list})"),
    ("{what} {n}, was {n2} on {at}: rising", "{what} {n}, era {n2} il {at}: in aumento"),
    ("{what} {n}, was {n2} on {at}: falling", "{what} {n}, era {n2} il {at}: in calo"),
    ("{what} {n}, was {n2} on {at}: unchanged", "{what} {n}, era {n2} il {at}: invariato"),
    ("bounds on both sides ({list}): no score", "limiti in entrambi i sensi ({list}): nessun punteggio"),
    (
        "{what} (too old: {span} before the newest input, at most {span2})",
        "{what} (troppo vecchio: {span} prima del dato più recente, al massimo {span2})",
    ),
    ("after tocilizumab", "dopo tocilizumab"),
    ("after platelet transfusion", "dopo trasfusione di piastrine"),
    ("after growth factor", "dopo fattore di crescita"),
    ("confounded", "influenzato da trattamenti"),
)

HEMATOTOX: tuple[Row, ...] = (
    ("CAR-HEMATOTOX {n}, high risk", "CAR-HEMATOTOX {n}, rischio alto"),
    ("CAR-HEMATOTOX {n}, low risk", "CAR-HEMATOTOX {n}, rischio basso"),
    ("CAR-HEMATOTOX at least {n}, high risk", "CAR-HEMATOTOX almeno {n}, rischio alto"),
    (
        "{n} to {n2} points, the bound leaves it open",
        "da {n} a {n2} punti, il limite non permette di decidere",
    ),
    (
        "{n} points: low risk (0-1 low, 2 or more high)",
        "{n} punti: rischio basso (0-1 basso, 2 o più alto)",
    ),
    (
        "{n} points: high risk (0-1 low, 2 or more high)",
        "{n} punti: rischio alto (0-1 basso, 2 o più alto)",
    ),
    ("at least {n} points: high risk", "almeno {n} punti: rischio alto"),
    ("{what} (charted only after day {n})", "{what} (registrato solo dopo il giorno {n})"),
    (
        "no time of infusion: the latest values are used",
        "ora dell'infusione non nota: si usano gli ultimi valori",
    ),
    (
        "{what} exactly {amount}: the table does not say, taken as 0 points",
        "{what} esattamente {amount}: la tabella non lo definisce, contato 0 punti",
    ),
)

NEWS2: tuple[Row, ...] = (
    ("NEWS2 {n}", "NEWS2 {n}"),
    ("the others give {n}", "gli altri danno {n}"),
    (
        "SpO2 on scale 2: hypercapnic respiratory failure by a clinician's statement",
        "SpO2 sulla scala 2: insufficienza respiratoria ipercapnica secondo la dichiarazione di un clinico",
    ),
    ("room air", "aria ambiente"),
    ("air", "aria"),
    ("oxygen", "ossigeno"),
    ("{cell} on air", "{cell} in aria"),
    ("{cell} on oxygen", "{cell} in ossigeno"),
    ("A", "A"),
    ("C V P U", "C V P U"),
)

ROWS = (*EASIX, *HEMATOTOX, *NEWS2)
