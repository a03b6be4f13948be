"""Buttons, headings and states of the acknowledge page and the ward board.

Shown with `say`: by the English text, or by the name that code uses (`KEYS`) for states and roles.
"""

from alerts.wording.template import Row

ANSWERS: tuple[Row, ...] = (
    ("I have it", "Lo prendo in carico"),
    ("I am still on it", "Lo seguo ancora"),
    ("Hand on", "Passa ad altri"),
    ("to whom", "a chi"),
    ("the next on the ladder", "il prossimo reperibile"),
    ("Silence for", "Silenzia per"),
    ("1 h", "1 h"),
    ("2 h", "2 h"),
    ("4 h", "4 h"),
    ("until", "fino a"),
    ("until {time}", "fino alle {time}"),
    ("why", "perché"),
    ("False alarm because", "Falso allarme perché"),
    ("It is over because", "È risolto perché"),
    ("Send", "Invia"),
    ("Cancel", "Annulla"),
    ("Back", "Indietro"),
    ("Say why", "Indicare il motivo"),
    ("Thank you: noted at {time}", "Grazie: registrato alle {time}"),
    ("To answer: {link}", "Per rispondere: {link}"),
    ("To answer: {command}", "Per rispondere: {command}"),
)

PAGE: tuple[Row, ...] = (
    ("Page", "Avviso"),
    ("Page {page}", "Avviso {page}"),
    ("What", "Che cosa"),
    ("Urgency", "Urgenza"),
    ("Since", "Dal"),
    ("Before", "Prima"),
    ("Now", "Ora"),
    ("Because", "Motivo"),
    ("Readings", "Rilievi"),
    ("Missing", "Manca"),
    ("Notes", "Note"),
    ("Treatments", "Trattamenti"),
    ("Given", "Somministrati"),
    ("Protocol reminder", "Promemoria di protocollo"),
    ("Conventions", "Convenzioni"),
    ("Trend", "Andamento"),
    ("Trend of the last {hours} h", "Andamento delle ultime {hours} h"),
    ("Told", "Avvisati"),
    ("Told {person} at {time}", "Avvisato {person} alle {time}"),
    ("Acknowledged by", "Preso in carico da"),
    ("Acknowledged by {person} at {time}", "Preso in carico da {person} alle {time}"),
    ("Handed on by {person} at {time}", "Passato da {person} alle {time}"),
    ("Silenced by {person} until {time}: {why}", "Silenziato da {person} fino alle {time}: {why}"),
    ("Nobody has it yet", "Nessuno l'ha ancora preso in carico"),
    ("You have it", "È in carico a lei"),
    ("This episode is over", "Questo episodio è concluso"),
    ("This page is about nothing that is still open", "Questo avviso non riguarda più nulla di aperto"),
)

LINKS: tuple[Row, ...] = (
    ("This link has expired", "Questo collegamento è scaduto"),
    ("This link is not valid", "Questo collegamento non è valido"),
    ("This link is for somebody else", "Questo collegamento è di un'altra persona"),
    ("Ask for a new one", "Chiederne uno nuovo"),
    ("Open the ward board", "Aprire la lavagna di reparto"),
    ("You may look, not answer", "Può consultare, non rispondere"),
    (
        "Something went wrong; nothing was recorded. Try again",
        "Qualcosa non ha funzionato; nulla è stato registrato. Riprovare",
    ),
)

BOARD: tuple[Row, ...] = (
    ("Ward board", "Lavagna di reparto"),
    ("Patients", "Pazienti"),
    ("Patient", "Paziente"),
    ("Place", "Posto"),
    ("Day", "Giorno"),
    ("Product", "Prodotto"),
    ("Infused", "Infuso"),
    ("Grades", "Gradi"),
    ("Grade", "Grado"),
    ("Open episodes", "Episodi aperti"),
    ("No open episode", "Nessun episodio aperto"),
    ("Overdue", "In ritardo"),
    ("Nothing is overdue", "Nulla in ritardo"),
    ("Feeds", "Flussi dati"),
    ("Last heard", "Ultimo dato"),
    ("heard", "attivo"),
    ("silent", "silente"),
    ("Silences", "Silenzi"),
    ("Technical", "Tecnici"),
    ("Deliveries", "Consegne"),
    ("On call", "Reperibili"),
    ("Unclaimed", "Non registrati"),
    ("Last update {time}", "Ultimo aggiornamento {time}"),
    ("Live", "In diretta"),
    ("Not live: reload the page", "Non in diretta: ricaricare la pagina"),
    ("Sign in", "Accedi"),
    ("Sign out", "Esci"),
    ("Signed in as {person}", "Accesso come {person}"),
    ("You are signed out", "Accesso terminato"),
    (
        "Your session has ended: open a personal link again",
        "Sessione terminata: aprire di nuovo un collegamento personale",
    ),
    ("yes", "sì"),
    ("no", "no"),
    ("none", "nessuno"),
)

AMOUNTS: tuple[Row, ...] = (
    ("days", "giorni"),
    ("{count} h", "{count} h"),
    ("{count} min ago", "{count} min fa"),
    ("{count} h ago", "{count} h fa"),
    ("just now", "adesso"),
    ("{count} open episodes", "{count} episodi aperti"),
    ("{count} overdue", "{count} in ritardo"),
)

STATES: tuple[Row, ...] = (
    ("due", "da inviare"),
    ("sent", "inviato"),
    ("failed for now", "non riuscito, si riprova"),
    ("failed for good", "non consegnabile"),
    ("unknown", "esito non noto"),
    ("acknowledged", "preso in carico"),
    ("cancelled", "annullato"),
    ("silenced", "silenziato"),
)

ROLES: tuple[Row, ...] = (
    ("haematologist on call", "ematologo reperibile"),
    ("second on call", "secondo reperibile"),
    ("consultant", "ematologo responsabile"),
    ("technician", "tecnico"),
    ("worklist", "lista di lavoro"),
)

ROWS = (*ANSWERS, *PAGE, *LINKS, *BOARD, *AMOUNTS, *STATES, *ROLES)
KEYS = {
    "failed": "failed for now",
    "undeliverable": "failed for good",
    "on_call": "haematologist on call",
    "second_on_call": "second on call",
}
