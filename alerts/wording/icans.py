"""ICANS, ICE and CAPD: what their rows and their rule say."""

from alerts.wording.template import Row

TITLES: tuple[Row, ...] = (
    ("ICANS grade {n}", "ICANS grado {n}"),
    ("ICANS grade {n}, ICE {n2}/10", "ICANS grado {n}, ICE {n2}/10"),
    ("{what}: repeat the ICE in 1-2 h", "{what}: ripetere l'ICE entro 1-2 h"),
    ("ICE fell by {n}, from {n2} to {n3}", "ICE sceso di {n}, da {n2} a {n3}"),
    (
        "ICE fell by {n}, from {n2} to {n3} (baseline {n4})",
        "ICE sceso di {n}, da {n2} a {n3} (basale {n4})",
    ),
)

ICE: tuple[Row, ...] = (
    ("ICE {n} of 10 ({list})", "ICE {n} su 10 ({list})"),
    ("below the baseline of {n}", "sotto il basale di {n}"),
    ("no ICE assessment holds", "nessuna valutazione ICE valida"),
    ("0 because unarousable", "0 perché non risvegliabile"),
    ("0 because unarousable would be {n}", "0 perché non risvegliabile sarebbe {n}"),
    ("no CAPD assessment holds", "nessuna valutazione CAPD valida"),
    ("9 or more", "9 o più"),
    ("unable", "non valutabile"),
    (
        "a CAPD is charted, the date of birth is not: CAPD grades only children",
        "è registrata una CAPD ma non la data di nascita: la CAPD vale solo per i bambini",
    ),
    (
        "consciousness was charted before the ICE of {n}: chart it again",
        "lo stato di coscienza è stato registrato prima dell'ICE di {n}: registrarlo di nuovo",
    ),
    (
        "consciousness is put down to another cause: its row is not used",
        "alterazione della coscienza attribuita ad altra causa: la sua riga non è usata",
    ),
)

CELLS: tuple[Row, ...] = (
    (
        "awakens spontaneously: grade 1 only together with an ICE below 10",
        "si risveglia spontaneamente: grado 1 solo insieme a un ICE sotto 10",
    ),
    ("awakens to voice", "si risveglia alla voce"),
    ("awakens only to touch", "si risveglia solo allo stimolo tattile"),
    ("vigorous or repetitive touch, stupor", "stimolo tattile vigoroso o ripetuto, stupor"),
    ("unarousable, coma", "non risvegliabile, coma"),
    ("no seizure", "nessuna crisi epilettica"),
    ("clinical, resolves rapidly", "clinica, a rapida risoluzione"),
    (
        "non-convulsive on EEG, resolves with intervention",
        "non convulsiva all'EEG, si risolve con il trattamento",
    ),
    ("more than 5 min", "oltre 5 min"),
    ("repetitive without return to baseline", "ripetuta senza ritorno al basale"),
    ("no focal weakness", "nessun deficit focale"),
    ("deep focal weakness: hemiparesis or paraparesis", "deficit focale profondo: emiparesi o paraparesi"),
    ("no oedema", "nessun edema"),
    ("focal oedema on imaging", "edema focale all'imaging"),
    ("diffuse oedema on imaging", "edema diffuso all'imaging"),
    ("no sign of raised pressure", "nessun segno di ipertensione endocranica"),
    ("decerebrate or decorticate posture", "postura decerebrata o decorticata"),
    ("sixth cranial nerve palsy", "paralisi del sesto nervo cranico"),
    ("papilloedema", "papilledema"),
    ("Cushing's triad", "triade di Cushing"),
)

GRADE: tuple[Row, ...] = (
    ("death due to ICANS: grade 5", "decesso per ICANS: grado 5"),
    ("at least grade {n}: {list} could make it worse", "almeno grado {n}: potrebbe aumentare per {list}"),
    (
        "no other domain is abnormal: undetermined",
        "nessun altro dominio è alterato: indeterminato",
    ),
)

ROWS = (*TITLES, *ICE, *CELLS, *GRADE)
