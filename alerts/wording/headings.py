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
    ("handed over", "passaggio di consegne"),
    ("taken over", "presa in carico da altri"),
    ("still on it?", "ancora in carico?"),
)

ENDINGS: tuple[Row, ...] = (
    ("{what} resolved", "{what}: episodio risolto"),
    (
        "{what} retracted: its ground was corrected away",
        "{what}: avviso ritirato, il dato su cui si basava è stato corretto",
    ),
    ("{what} stands", "resta {what}"),
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
    ("before: {level}", "prima: {level}"),
    ("because {reason}", "motivo: {reason}"),
    ("readings: {readings}", "rilievi: {readings}"),
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

WORDS = (*URGENCIES, *REASONS, *ENDINGS, *STATEMENT)
"""What `translate` recognises; the headings are filled in with `say`."""

KEYS = {"handed_over": "handed over", "taken_over": "taken over", "still_on_it": "still on it?"}
