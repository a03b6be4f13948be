"""The page on the phone: who has an episode, its parts, its buttons, what became of each page.

Shown with `say`: by the English text, or by the name that code uses (`KEYS`) for states. `{time}` is a time of day,
which may carry a day; `{at}` is always both.
"""

from alerts.wording.template import Row

STANDING: tuple[Row, ...] = (
    ("{day} {time}", "{time} ({day})"),
    ("since {time}", "dalle {time}"),
    ("until {time}", "fino alle {time}"),
    ("Nobody has it yet", "Nessuno l'ha ancora preso in carico"),
    ("You have it since {time}", "È in carico a lei dalle {time}"),
    ("{person} has it since {time}", "In carico a {person} dalle {time}"),
    (
        "until {time}, then it asks whether somebody is still on it",
        "fino alle {time}, poi si chiede se qualcuno lo segue ancora",
    ),
    ("until it worsens", "finché non peggiora"),
    (
        "Are you still on it? Without an answer the ladder starts again at {time}",
        "È ancora in carico a lei? Senza risposta le chiamate ricominciano alle {time}",
    ),
    ("Handed over to {person}, paged at {time}", "Passato a {person}, avvisato alle {time}"),
    (
        "Silenced until {time}. Worsening breaks through.",
        "Silenziato fino alle {time}. Un peggioramento interrompe il silenzio.",
    ),
    ("This is over", "È concluso"),
    ("This is over since {time}", "È concluso dalle {time}"),
    (
        "This was taken back at {time}: what it rested on was corrected",
        "Ritirato alle {time}: il dato su cui si basava è stato corretto",
    ),
    ("Nothing needs to be answered any more.", "Non serve più alcuna risposta."),
    ("It has worsened since this page", "È peggiorato dopo questo avviso"),
    (
        "This link answers only what its page told. What stands below is the state now: answer it by the newer page's"
        " link, or on the ward board.",
        "Questo collegamento risponde solo a ciò che il suo avviso diceva. Qui sotto c'è lo stato attuale: rispondere"
        " dal collegamento dell'avviso più recente, o dalla lavagna di reparto.",
    ),
)

PARTS: tuple[Row, ...] = (
    ("Page {page}", "Avviso {page}"),
    ("patient {patient}", "paziente {patient}"),
    ("Grade", "Grado"),
    ("Before", "Prima"),
    ("Now", "Ora"),
    ("Readings", "Rilievi"),
    ("Reading", "Voce"),
    ("Value", "Valore"),
    ("Time", "Ora"),
    ("Source", "Fonte"),
    ("Because", "Motivo"),
    ("Missing", "Manca"),
    ("Notes", "Note"),
    ("Conventions", "Convenzioni"),
    ("The rules say nothing more of it now.", "Al momento le regole non aggiungono altro."),
    ("Trend", "Andamento"),
    ("In words", "In parole"),
    ("Protocol reminder", "Promemoria di protocollo"),
    ("Source: {source}. A reminder, not an order.", "Fonte: {source}. Un promemoria, non una prescrizione."),
    ("Grades now", "Gradi attuali"),
    ("m-EASIX cannot be computed.", "m-EASIX non calcolabile."),
    (
        "m-EASIX alone never wakes anybody; no cut-off for it is accepted.",
        "m-EASIX da solo non sveglia nessuno; nessun cut-off è accettato.",
    ),
    ("Treatments", "Trattamenti"),
    ("Given", "Somministrati"),
    ("None charted.", "Nessuno registrato."),
    ("Told", "Avvisati"),
    ("Nobody yet.", "Ancora nessuno."),
    ("Also open for this patient", "Altri allarmi aperti per questo paziente"),
)

BUTTONS: tuple[Row, ...] = (
    ("Answer", "Rispondi"),
    ("I have it", "Lo prendo in carico"),
    ("I am still on it", "Lo seguo ancora"),
    ("Take over", "Subentra"),
    ("Take over from {person}", "Subentra a {person}"),
    ("They are notified.", "Riceve un avviso."),
    ("Hand over", "Passa ad altri"),
    ("Hand over to", "Passa a"),
    ("the next on the ladder", "il prossimo reperibile"),
    ("Why (may stay empty)", "Perché (facoltativo)"),
    ("Silence for", "Silenzia per"),
    ("Silence it", "Silenzia"),
    ("Why", "Perché"),
    ("False alarm because", "Falso allarme perché"),
    ("Close as false alarm", "Chiudi come falso allarme"),
    ("Being taken…", "In corso…"),
    (
        "Your answer is stored. It shows here as soon as it has taken effect.",
        "La risposta è salvata. Appare qui appena ha effetto.",
    ),
    ("Look again", "Aggiorna"),
    ("Your answer was stored but changed nothing", "La risposta è salvata ma non ha cambiato nulla"),
    ("See below how it stands now.", "Sotto c'è lo stato attuale."),
)

STATES: tuple[Row, ...] = (
    ("waiting to be sent", "da inviare"),
    ("sent", "inviato"),
    ("failed for now", "non riuscito, si riprova"),
    ("failed for good", "non consegnabile"),
    ("unknown", "esito non noto"),
    ("acknowledged", "preso in carico"),
    ("cancelled", "annullato"),
)

ROWS = (*STANDING, *PARTS, *BUTTONS, *STATES)
KEYS = {"due": "waiting to be sent", "failed": "failed for now", "undeliverable": "failed for good"}
