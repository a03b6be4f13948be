"""The frame of a page: urgencies, why it is told, headings, and what it is not."""

from alerts.wording.template import Row

DISCLAIMER = "Decision support, not a medical device. The bedside monitor stays primary."

URGENCIES: tuple[Row, ...] = (
    ("critical", "critico"),
    ("high", "alto"),
    ("medium", "medio"),
    ("low", "basso"),
    ("technical", "tecnico"),
)

REASONS: tuple[Row, ...] = (
    ("new", "nuovo"),
    ("worse", "peggioramento"),
    ("repeat", "sollecito"),
    ("recurrent", "recidiva"),
    ("better", "miglioramento"),
    ("resolved", "risolto"),
    ("retracted", "ritirato"),
    ("ended", "chiuso"),
    ("handed over", "passaggio di consegne"),
    ("taken over", "presa in carico da altri"),
    ("still on it?", "ancora in carico?"),
)

FINDINGS: tuple[Row, ...] = (
    ("{name} {level}", "{name} {level}"),
    ("{name} now {level}", "{name} ora {level}"),
    ("{name} undetermined", "{name} indeterminato"),
    ("{name} resolved", "{name} risolto"),
    ("{name} withdrawn", "{name} ritirato"),
    ("{name} ended: {what}", "{name} chiuso: {what}"),
    ("{what}, says {who}, {at}", "{what}, secondo {who}, {at}"),
    ("merged", "cartella unita a un'altra"),
    ("merged into {record}", "cartella unita a {record}"),
    ("{name} stands", "resta {name}"),
    ("was {level}", "era {level}"),
    ("no longer", "non più"),
    ("charted late", "registrato in ritardo"),
    ("repeat the ICE in 1-2 h", "ripetere l'ICE entro 1-2 h"),
    ("would be {name}", "sarebbe {name}"),
    ("{reading} corrected to {value}", "{reading} corretto in {value}"),
    ("{reading} entered in error", "{reading} inserito per errore"),
    ("{change} at {at} by {source}", "{change} il {at} da {source}"),
    ("grade {level} withdrawn", "grado {level} ritirato"),
    ("notice withdrawn", "avviso ritirato"),
)

STATEMENT: tuple[Row, ...] = (
    (
        DISCLAIMER,
        "Supporto decisionale, non è un dispositivo medico. Il monitor al letto resta il riferimento principale.",
    ),
)

HEADINGS: tuple[Row, ...] = (
    ("{at}, page {page}", "{at}, avviso {page}"),
    ("since {at}", "dal {at}"),
    ("episode since {at}", "episodio dal {at}"),
    ("undetermined since {at}", "indeterminato dal {at}"),
    ("no longer so since {at}", "non più presente dal {at}"),
    ("was {was}, now {now}, since {at}", "era {was}, ora {now}, dal {at}"),
    ("was {was}, now {now}, clearing since {at}", "era {was}, ora {now}, in risoluzione dal {at}"),
    ("first paged because {reason}", "primo avviso per: {reason}"),
    ("sent as {value}", "inviato come {value}"),
    ("because {reason}", "motivo: {reason}"),
    ("charted for {time}", "registrato per le {time}"),
    ("missing: {names}", "manca: {names}"),
    ("note: {flag}", "nota: {flag}"),
    ("conventions: {conventions}", "convenzioni: {conventions}"),
    ("Now: {grades}", "Ora: {grades}"),
    ("log2 undefined", "log2 non definito"),
    ("was {value} on {at}", "era {value} il {at}"),
    ("Given: {ledger}", "Somministrati: {ledger}"),
    ("Protocol reminder ({source}): {reminder}", "Promemoria di protocollo ({source}): {reminder}"),
    ("and {count} more", "e altri {count}"),
    (
        "still on it? The ladder starts again without an answer",
        "ancora in carico? Senza risposta le chiamate ricominciano",
    ),
    ("D{day}", "G{day}"),
    ("cartwatch page {page}", "avviso cartwatch {page}"),
    ("Open the ward board for page {page}.", "Aprire la lavagna di reparto per l'avviso {page}."),
    ("handed over by {person}", "passato da {person}"),
    ("taken over by {person}", "preso in carico da {person}"),
    ("To answer: {link}", "Per rispondere: {link}"),
    ("To answer: {command}", "Per rispondere: {command}"),
)

TEST: tuple[Row, ...] = (
    ("[TEST] cartwatch reaches {person} on {channel}", "[PROVA] cartwatch raggiunge {person} su {channel}"),
    (
        "This is a test. Nobody is ill, and nothing is to be done.",
        "Questa è una prova. Nessuno sta male e non c'è nulla da fare.",
    ),
)

WORDS = (*URGENCIES, *REASONS, *STATEMENT)
"""What `translate` recognises; the headings are filled in with `say`."""

SAID = (*HEADINGS, *FINDINGS, *TEST)

KEYS = {"handed_over": "handed over", "taken_over": "taken over", "still_on_it": "still on it?"}
