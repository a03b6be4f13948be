"""Why a link, a form or an answer is refused, and what to do then."""

from alerts.wording.template import Row

LINKS: tuple[Row, ...] = (
    ("This link is not valid", "Questo collegamento non è valido"),
    (
        "It was not made here, or it was changed on its way. Open the page's link again, or the ward board.",
        "Non è stato creato qui, o è stato alterato. Riaprire il collegamento dell'avviso, o la lavagna di reparto.",
    ),
    ("This link has expired", "Questo collegamento è scaduto"),
    (
        "If the alert still stands, the newest page has a link that works. The ward board shows all.",
        "Se l'allarme è ancora attivo, l'avviso più recente ha un collegamento valido. La lavagna di reparto mostra"
        " tutto.",
    ),
    ("This link is for somebody else", "Questo collegamento è di un'altra persona"),
    (
        "It was made for somebody else, or for a page that was sent to somebody else.",
        "È stato creato per un'altra persona, o per un avviso inviato a un'altra persona.",
    ),
    ("Too many wrong links", "Troppi collegamenti errati"),
    (
        "Wait a minute. Links in pages still work.",
        "Attendere un minuto. I collegamenti degli avvisi funzionano comunque.",
    ),
    ("Too much is asked at once", "Troppe richieste insieme"),
    ("Too many live boards", "Troppe lavagne aperte"),
    (
        "Close one of the boards that are open elsewhere.",
        "Chiudere una delle lavagne aperte altrove.",
    ),
    ("This link was used already", "Questo collegamento è già stato usato"),
    ("Sign in to see the board", "Accedere per vedere la lavagna"),
    (
        "Ask for a personal link: cartwatch sign-in-link --person YOUR-ID",
        "Chiedere un collegamento personale: cartwatch sign-in-link --person IL-SUO-ID",
    ),
)

ANSWERS: tuple[Row, ...] = (
    ("This answer is not known here", "Risposta sconosciuta"),
    ("Choose somebody from the list", "Scegliere qualcuno dall'elenco"),
    ("Choose for how long", "Scegliere per quanto"),
    ("Say why", "Indicare il motivo"),
    ("Nothing was taken. Go back and try again.", "Nulla è stato registrato. Tornare indietro e riprovare."),
    ("You may look, not answer", "Può consultare, non rispondere"),
    (
        "Your role on the board is to view. The page sent to whoever is on call can be answered.",
        "Il suo ruolo sulla lavagna è di sola lettura. Può rispondere chi ha ricevuto l'avviso.",
    ),
    ("This cannot be done", "Non è possibile"),
    (
        "The request does not come from a page of this service.",
        "La richiesta non viene da una pagina di questo servizio.",
    ),
)

TROUBLE: tuple[Row, ...] = (
    ("There is nothing here", "Qui non c'è nulla"),
    ("The address leads to nothing that is known here.", "L'indirizzo non porta a nulla di noto."),
    ("The state store cannot be reached", "L'archivio dello stato non è raggiungibile"),
    (
        "Nothing was taken. Try again, and call the ward.",
        "Nulla è stato registrato. Riprovare, e chiamare il reparto.",
    ),
    ("This did not work", "Non ha funzionato"),
    (
        "Nothing is known to have been taken. Try again, and call the ward.",
        "Non risulta registrato nulla. Riprovare, e chiamare il reparto.",
    ),
)

REGISTRATION: tuple[Row, ...] = (
    (
        "Patient: write the id that readings come in with; it does not begin with ~",
        "Paziente: scrivere il codice con cui arrivano i dati; non inizia con ~",
    ),
    ("A field has at most 200 characters", "Un campo ha al massimo 200 caratteri"),
    (
        "Infusion: write day and hour on the hospital's clock, as in 2024-06-12T10:00",
        "Infusione: scrivere giorno e ora dell'ospedale, come in 2024-06-12T10:00",
    ),
    (
        "Infusion: too far ahead; correct the date",
        "Infusione: troppo avanti nel tempo; correggere la data",
    ),
    (
        "Date of birth: write it as in 1955-05-01; it does not lie ahead",
        "Data di nascita: scriverla come in 1955-05-01; non può essere nel futuro",
    ),
)

ROWS = (*REGISTRATION, *LINKS, *ANSWERS, *TROUBLE)
