"""What graders of several systems say: values with their time, what is missing and why, verdicts."""

from alerts.wording.template import Row

VALUES: tuple[Row, ...] = (
    ("{at}", "{at}"),
    ("{what} {amount}", "{what} {amount}"),
    ("{what} ({at})", "{what} ({at})"),
    ("{what} ({at}, preliminary)", "{what} ({at}, preliminare)"),
    ("{what} ({at}, {note})", "{what} ({at}, {note})"),
    ("{what} (sent as {note})", "{what} (inviato come {note})"),
    ("{what} yes", "{what}: sì"),
    ("{what} no", "{what}: no"),
    ("{what} absent", "{what}: non eseguito"),
    ("{what} stated", "{what}: dichiarata"),
    ("{what} denied", "{what}: negata"),
    ("{what} given", "{what}: somministrazione"),
    ("{what} started", "{what}: inizio"),
    ("{what} stopped", "{what}: sospensione"),
    ("given", "somministrazione"),
    ("started", "inizio"),
    ("stopped", "sospensione"),
    ("yes", "sì"),
    ("no", "no"),
    ("absent", "non eseguito"),
    ("{what} {sign} {n}", "{what} {sign} {n}"),
    ("{what} not {sign} {n}", "{what} non {sign} {n}"),
    ("{n} ({what})", "{n} ({what})"),
    ("{what} or {what2}", "{what} o {what2}"),
    ("{what} and {what2}", "{what} e {what2}"),
    ("{what} plus {what2}", "{what} + {what2}"),
    ("{what} by a clinician's statement", "{what} secondo la dichiarazione di un clinico"),
    (
        "baseline {amount}, the median of the {span} before infusion",
        "basale {amount}, mediana dei {span} prima dell'infusione",
    ),
    ("day {n}", "giorno {n}"),
    ("1 day", "1 giorno"),
    ("{n} days", "{n} giorni"),
    ("unregistered patient: would be {what}", "paziente non registrato: sarebbe {what}"),
    (
        "not registered, infusion date unknown: register the patient (`cartwatch register`, or on the ward board)",
        "non registrato, data dell'infusione ignota: registrare il paziente (`cartwatch register`, o sulla lavagna)",
    ),
    ("{what} (charted late)", "{what} (registrato in ritardo)"),
    ("provisional result", "risultato provvisorio"),
    ("unusual, check it", "insolito, da verificare"),
)

MISSING: tuple[Row, ...] = (
    ("{what} (last {at}, more than {span} ago)", "{what} (ultimo dato {at}, da oltre {span})"),
    ("{what} (only a bound: {amount})", "{what} (solo un limite: {amount})"),
    ("only a bound", "solo un limite"),
    ("not done", "non eseguito"),
    ("not done: {note}", "non eseguito: {note}"),
    ("{what} (not done)", "{what} (non eseguito)"),
    ("{what} (not done: {note})", "{what} (non eseguito: {note})"),
    ("{sent} was set aside: {what}", "{sent} scartato: {what}"),
    ("{what} ({sent} was set aside: {what2})", "{what} ({sent} scartato: {what2})"),
    (
        "newer {what}: {what2}; the value before it is used",
        "{what} più recente: {what2}; si usa il valore precedente",
    ),
    ("lower reference limit", "limite inferiore di riferimento"),
    ("upper reference limit", "limite superiore di riferimento"),
    ("no upper reference limit", "manca il limite superiore di riferimento"),
    ("no temperature holds", "nessuna temperatura valida"),
    ("no result holds", "nessun risultato valido"),
    ("no score without {list}", "nessun punteggio senza {list}"),
    ("infusion date", "data di infusione"),
)

REFUSALS: tuple[Row, ...] = (
    (
        "a registration is not withdrawn; send the right one",
        "una registrazione non si ritira; inviare quella giusta",
    ),
    ("the effective time lies in the future", "l'ora del dato è nel futuro"),
    (
        "the effective time lies in the future; check the sender's clock",
        "l'ora del dato è nel futuro; controllare l'orologio del mittente",
    ),
    ("the infusion lies too far ahead; correct its date", "l'infusione è troppo avanti nel tempo; correggere la data"),
    (
        "{what} is not plausible (artefact limits {note} to {note2})",
        "{what} non plausibile (limiti di artefatto da {note} a {note2})",
    ),
    (
        "{what} is not plausible (artefact limits {note} to {note2}), sent as {sent} it looks like {sent2}",
        "{what} non plausibile (limiti di artefatto da {note} a {note2}), inviato come {sent} sembra in {sent2}",
    ),
    ("{what} sent as {sent} looks like {sent2}", "{what} inviato come {sent} sembra in {sent2}"),
    ("check value and unit", "controllare valore e unità"),
    ("the unit is missing", "manca l'unità"),
    ("send it in {note}", "inviarlo in {note}"),
    ("send it, as in {note}", "inviarla, per esempio {note}"),
    ("the unit {note} is not known", "l'unità {note} non è nota"),
    ("send {note} or add it to units.csv", "inviare {note} o aggiungerla a units.csv"),
    ("the unit {note} is not used: {own}", "l'unità {note} non è usata: {own}"),
    ("another quantity", "altra grandezza"),
    ("accepted only where the site says so ({note})", "accettata solo dove il centro lo prevede ({note})"),
    (
        "{n} with a ratio's unit must be at most 1",
        "{n} con unità di rapporto deve essere al massimo 1",
    ),
)

VERDICTS: tuple[Row, ...] = (
    ("grade {n}", "grado {n}"),
    ("grade {n} ({what})", "grado {n} ({what})"),
    ("at least grade {n}", "almeno grado {n}"),
    ("at least grade {n} ({what}), could be {n2}", "almeno grado {n} ({what}), potrebbe essere {n2}"),
    ("grade unknown, could be up to {n}", "grado non noto, potrebbe arrivare a {n}"),
    (
        "grade unknown, but could be over 0 (up to {n})",
        "grado non noto, ma potrebbe essere superiore a 0 (fino a {n})",
    ),
    ("grade 0 (lower limit {n})", "grado 0 (limite inferiore {n})"),
    ("grade 0 (upper limit {n})", "grado 0 (limite superiore {n})"),
    ("undetermined", "indeterminato"),
    ("not applicable", "non applicabile"),
    ("provisional: at least this grade", "provvisorio: almeno questo grado"),
)

ROWS = (*VALUES, *MISSING, *REFUSALS, *VERDICTS)
