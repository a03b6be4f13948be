"""Cytokine release syndrome: what its rows and its rule say."""

from alerts.wording.template import Row

TITLES: tuple[Row, ...] = (
    ("CRS grade {n}", "CRS grado {n}"),
    ("CRS grade {n}: {what}", "CRS grado {n}: {what}"),
    ("CRS {n} together with ICANS {n2}", "CRS {n} insieme a ICANS {n2}"),
)

FEVER: tuple[Row, ...] = (
    ("fever {amount} (>= {n})", "febbre {amount} (>= {n})"),
    ("no fever ({amount} < {n})", "assenza di febbre ({amount} < {n})"),
    ("{amount} by {what}: not yet confirmed as fever", "{amount} da {what}: non ancora confermata come febbre"),
    ("no temperature charted, and fever is required", "nessuna temperatura registrata, e la febbre è richiesta"),
    (
        "fever not required: treated after CRS was diagnosed",
        "febbre non richiesta: trattamento dopo la diagnosi di CRS",
    ),
    ("hypotension without fever: not CRS by the table", "ipotensione senza febbre: non CRS secondo la tabella"),
    ("hypoxia without fever: not CRS by the table", "ipossia senza febbre: non CRS secondo la tabella"),
    ("fever attributed to another cause", "febbre attribuita ad altra causa"),
    ("fever from before infusion: not CRS", "febbre di prima dell'infusione: non CRS"),
)

HYPOTENSION: tuple[Row, ...] = (
    ("hypotension attributed to another cause", "ipotensione attribuita ad altra causa"),
    ("hypotension with one vasopressor: grade {n} ({list})", "ipotensione con un vasopressore: grado {n} ({list})"),
    (
        "hypotension with several vasopressors: grade {n} ({list})",
        "ipotensione con più vasopressori: grado {n} ({list})",
    ),
    (
        "vasopressin alone: not settled by the table, taken as one vasopressor",
        "vasopressina da sola: non definita dalla tabella, contata come un vasopressore",
    ),
    (
        "dobutamine is an inotrope, counted here as a vasopressor",
        "la dobutamina è un inotropo, qui contata come vasopressore",
    ),
    (
        "hypotension observed ({what}), support not charted: at least grade {n}",
        "ipotensione osservata ({what}), supporto non registrato: almeno grado {n}",
    ),
    ("{what} by {what2}: not yet confirmed", "{what} da {what2}: non ancora confermata"),
    ("systolic {n} < {n2}", "sistolica {n} < {n2}"),
    ("mean {n} < {n2}", "media {n} < {n2}"),
    ("systolic {n} < {n2} x baseline {n3}", "sistolica {n} < {n2} x basale {n3}"),
    ("blood pressure not low", "pressione arteriosa non bassa"),
    (
        "pressures of {at} contradict each other: not used",
        "le pressioni del {at} si contraddicono: non usate",
    ),
    (
        "{what} (pressures of {at} contradict each other: not used)",
        "{what} (le pressioni del {at} si contraddicono: non usate)",
    ),
    ("no hypotension by a clinician's statement", "nessuna ipotensione secondo la dichiarazione di un clinico"),
    (
        "hypotension by a clinician's statement, no vasopressor: grade {n}",
        "ipotensione secondo la dichiarazione di un clinico, nessun vasopressore: grado {n}",
    ),
)

HYPOXIA: tuple[Row, ...] = (
    ("hypoxia attributed to another cause", "ipossia attribuita ad altra causa"),
    ("oxygen as before infusion: not newly started", "ossigeno come prima dell'infusione: non di nuova introduzione"),
    (
        "positive pressure not given for hypoxia: not grade 4",
        "pressione positiva non somministrata per ipossia: non grado 4",
    ),
    (
        "oxygen by nasal cannula, flow not charted: at least grade {n}",
        "ossigeno con cannula nasale, flusso non registrato: almeno grado {n}",
    ),
    ("nasal cannula {amount} ({sign} {n}): grade {n2}", "cannula nasale {amount} ({sign} {n}): grado {n2}"),
    (
        "oxygen {amount}, device not charted: grade {n}",
        "ossigeno {amount}, supporto non registrato: grado {n}",
    ),
    (
        "hypoxia observed ({what}), on room air: at least grade {n}",
        "ipossia osservata ({what}), in aria ambiente: almeno grado {n}",
    ),
    (
        "hypoxia observed ({what}), support not charted: at least grade {n}",
        "ipossia osservata ({what}), supporto non registrato: almeno grado {n}",
    ),
    ("saturation not low", "saturazione non bassa"),
    ("{what} last charted {n} h ago", "{what}: ultima registrazione {n} h fa"),
    (
        "hypoxia by a clinician's statement, support not charted: at least grade {n}",
        "ipossia secondo la dichiarazione di un clinico, supporto non registrato: almeno grado {n}",
    ),
    ("no hypoxia by a clinician's statement", "nessuna ipossia secondo la dichiarazione di un clinico"),
)

STATEMENTS: tuple[Row, ...] = (
    ("no hypotension", "nessuna ipotensione"),
    ("no hypoxia", "nessuna ipossia"),
    ("{what}, says {who} {at}, until {at2}", "{what}, secondo {who} {at}, fino al {at2}"),
    ("{what}, says a clinician {at}, until {at2}", "{what}, secondo un clinico {at}, fino al {at2}"),
    ("{what}, says {who} {at}: ended by {what2}", "{what}, secondo {who} {at}: superata da {what2}"),
    ("{what}, says a clinician {at}: ended by {what2}", "{what}, secondo un clinico {at}: superata da {what2}"),
)

COURSE: tuple[Row, ...] = (
    ("death due to CRS: grade 5", "decesso per CRS: grado 5"),
    ("before infusion", "prima dell'infusione"),
    ("before infusion: would be {formula}", "prima dell'infusione: sarebbe {formula}"),
    (
        "before infusion: nothing that would be grade {n} or more",
        "prima dell'infusione: nulla che sarebbe di grado {n} o superiore",
    ),
    ("the infusion is registered for {at}", "l'infusione è registrata per il {at}"),
    ("infusion given: CRS and ICANS are graded", "infusione eseguita: CRS e ICANS vengono graduate"),
    ("day {n}: attribution to be confirmed", "giorno {n}: attribuzione da confermare"),
)

ROWS = (*TITLES, *FEVER, *HYPOTENSION, *HYPOXIA, *STATEMENTS, *COURSE)
