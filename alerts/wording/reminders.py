"""Protocol lines and their sources, and the dose ledger."""

from alerts.wording.template import Row

PROTOCOLS: tuple[Row, ...] = (
    (
        "antipyretic, fluids; cultures, chest film; antibiotics as for neutropenic fever; "
        "lasting more than 3 days: manage as grade 2",
        "antipiretico, liquidi; emocolture, radiografia del torace; antibiotici come per la neutropenia febbrile; "
        "se dura più di 3 giorni: trattare come grado 2",
    ),
    (
        "tocilizumab 8 mg/kg (at most 800 mg), may repeat after 8 h, at most 3 in 24 h and 4 in all; "
        "fluids, oxygen; no response: dexamethasone 10 mg",
        "tocilizumab 8 mg/kg (massimo 800 mg), ripetibile dopo 8 h, massimo 3 in 24 h e 4 in totale; "
        "liquidi, ossigeno; se nessuna risposta: desametasone 10 mg",
    ),
    (
        "ICU; tocilizumab if doses remain, plus dexamethasone 10 mg every 6 h",
        "terapia intensiva; tocilizumab se restano dosi, più desametasone 10 mg ogni 6 h",
    ),
    (
        "as grade 3, with organ support; methylprednisolone 500 mg every 12 h for 3 days",
        "come grado 3, con supporto d'organo; metilprednisolone 500 mg ogni 12 h per 3 giorni",
    ),
    (
        "aspiration precautions, neurology, ICE at least twice a day, consider levetiracetam; "
        "tocilizumab only with concurrent CRS",
        "precauzioni contro l'aspirazione, consulenza neurologica, ICE almeno due volte al giorno, considerare "
        "levetiracetam; tocilizumab solo con CRS concomitante",
    ),
    (
        "dexamethasone 10 mg, reassess; EEG, imaging; ICU to be considered with CRS >= 2",
        "desametasone 10 mg, rivalutare; EEG, imaging; considerare la terapia intensiva con CRS >= 2",
    ),
    (
        "ICU; dexamethasone 10 mg every 6-12 h; EEG, imaging",
        "terapia intensiva; desametasone 10 mg ogni 6-12 h; EEG, imaging",
    ),
    (
        "ICU, airway; methylprednisolone 1000 mg/day; seizure and pressure management",
        "terapia intensiva, protezione delle vie aeree; metilprednisolone 1000 mg/die; "
        "controllo delle crisi e della pressione endocranica",
    ),
)

SOURCES: tuple[Row, ...] = (
    ("ASCO guideline, pocket edition", "linea guida ASCO, edizione tascabile"),
    ("EBMT/EHA 2022", "EBMT/EHA 2022"),
)

LEDGER: tuple[Row, ...] = (
    ("tocilizumab {n} of {n2} doses", "tocilizumab: dosi {n} su {n2}"),
    (
        "tocilizumab {n} of {n2} doses ({n3} of {n4} in 24 h, the last {n5} h ago)",
        "tocilizumab: dosi {n} su {n2} ({n3} su {n4} in 24 h, ultima {n5} h fa)",
    ),
    ("dexamethasone {what} in all", "desametasone {what} in totale"),
    (
        "dexamethasone {what} in all (steroids as dexamethasone: {what2})",
        "desametasone {what} in totale (steroidi come desametasone: {what2})",
    ),
    ("unknown (a dose without mg)", "non noto (una dose senza mg)"),
    ("all {n} doses of tocilizumab are given", "tutte le {n} dosi di tocilizumab sono state somministrate"),
    (
        "{n} of {n2} doses of tocilizumab left, the next now",
        "dosi di tocilizumab rimaste: {n} su {n2}, la prossima da ora",
    ),
    (
        "{n} of {n2} doses of tocilizumab left, the next from {at}",
        "dosi di tocilizumab rimaste: {n} su {n2}, la prossima dal {at}",
    ),
)

ROWS = (*PROTOCOLS, *SOURCES, *LEDGER)
