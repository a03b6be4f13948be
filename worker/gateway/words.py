"""The words of the page on the phone and of the board.

Most stand in the catalogue of `alerts/wording`; what only the gateway says stands here, English and Italian beside
each other.
"""

from collections.abc import Callable

from alerts.wording import catalogue
from config.site import Language

Say = Callable[..., str]
"""Words by their key, with values filled in."""

CATALOGUED: dict[str, str] = {
    "page": "Page {page}",
    "before": "Before",
    "now": "Now",
    "because": "Because",
    "readings": "Readings",
    "missing": "Missing",
    "notes": "Notes",
    "conventions": "Conventions",
    "trend": "Trend",
    "treatments": "Treatments",
    "ledger": "Given",
    "reminder": "Protocol reminder",
    "told": "Told",
    "free": "Nobody has it yet",
    "have_it": "I have it",
    "still_on_it_button": "I am still on it",
    "hand_on": "Hand on",
    "false_alarm": "False alarm because",
    "silence": "Silence for",
    "until_time": "until {time}",
    "bad_link": "This link is not valid",
    "expired_link": "This link has expired",
    "foreign_link": "This link is for somebody else",
    "view_only": "You may look, not answer",
    "board": "Ward board",
    "board_patients": "Patients",
    "place": "Place",
    "board_day": "Day",
    "open_episodes": "Open episodes",
    "nothing_open": "No open episode",
    "overdue": "Overdue",
    "feeds": "Feeds",
    "technical_heading": "Technical",
    "live": "Live",
    "not_live": "Not live: reload the page",
    "sign_out": "Sign out",
    "signed_in_as": "Signed in as {person}",
    "grade_change": "Grade",
    "since": "since {at}",
    "form_why": "Say why",
    "as_of": "Last update {time}",
    "next_of_ladder": "the next on the ladder",
}
"""What the gateway says in words of the catalogue, which are the keys there."""

OWN: dict[str, tuple[str, str]] = {
    "due": ("waiting to be sent", "da inviare"),
    "in_words": ("In words", "In parole"),
    "day": ("day {day}", "giorno {day}"),
    "patient": ("patient {patient}", "paziente {patient}"),
    "none_before": ("none", "nessuno"),
    "undetermined": ("undetermined", "indeterminato"),
    "provisional": ("Provisional: at least this grade.", "Provvisorio: almeno questo grado."),
    "reading": ("Reading", "Misura"),
    "value": ("Value", "Valore"),
    "time": ("Time", "Ora"),
    "source": ("Source", "Fonte"),
    "no_finding": ("The rules say nothing more of it now.", "Le regole ora non dicono altro."),
    "current_grades": ("Grades now", "Gradi attuali"),
    "m_easix_none": ("m-EASIX cannot be computed.", "m-EASIX non calcolabile."),
    "m_easix_never": (
        "m-EASIX alone never wakes anybody; no cut-off for it is accepted.",
        "m-EASIX da solo non sveglia nessuno; nessun cut-off è accettato.",
    ),
    "no_treatments": ("None charted.", "Nessuno registrato."),
    "reminder_source": (
        "Source: {source}. A reminder, not an order.",
        "Fonte: {source}. Un promemoria, non un ordine.",
    ),
    "nobody_told": ("Nobody yet.", "Ancora nessuno."),
    "also_open": ("Also open for this patient", "Altri allarmi aperti per questo paziente"),
    "yours": ("You have it since {at}", "È in carico a lei dalle {at}"),
    "theirs": ("{who} has it since {at}", "In carico a {who} dalle {at}"),
    "until": (
        "until {at}, then it asks whether somebody is still on it",
        "fino alle {at}, poi si chiede se qualcuno lo segue ancora",
    ),
    "until_worse": ("until it worsens", "finché non peggiora"),
    "silenced": (
        "Silenced until {at}. Worsening breaks through.",
        "Silenziato fino alle {at}. Un peggioramento lo interrompe.",
    ),
    "handed_to": ("{who} is being told since {at}", "{who} viene avvisato dalle {at}"),
    "taken_back": (
        "This was taken back at {at}: what it rested on was corrected",
        "Ritirato alle {at}: ciò su cui si basava è stato corretto",
    ),
    "over_more": ("Nothing needs to be answered any more.", "Non c'è più nulla a cui rispondere."),
    "stale": ("It has worsened since this page", "È peggiorato dopo questo avviso"),
    "stale_more": (
        "This link answers only what its page told. What stands below is the state now: answer it by the"
        " newer page's link, or on the ward board.",
        "Questo collegamento risponde solo a ciò che il suo avviso diceva. Qui sotto c'è lo stato attuale:"
        " rispondere dal collegamento dell'avviso più recente, o dalla lavagna di reparto.",
    ),
    "taking": ("Being taken…", "In corso…"),
    "taking_more": (
        "Your answer is stored. It shows here as soon as it has taken effect.",
        "La risposta è salvata. Appare qui appena ha effetto.",
    ),
    "look_again": ("Look again", "Aggiorna"),
    "not_taken": ("Your answer was stored but changed nothing", "La risposta è salvata ma non ha cambiato nulla"),
    "not_taken_more": ("See below how it stands now.", "Sotto c'è lo stato attuale."),
    "answer": ("Answer", "Rispondi"),
    "hand_on_to": ("Hand on to", "Passa a"),
    "silence_do": ("Silence it", "Silenzia"),
    "false_alarm_do": ("Close as false alarm", "Chiudi come falso allarme"),
    "why": ("Why", "Perché"),
    "why_optional": ("Why (may stay empty)", "Perché (facoltativo)"),
    "bad_link_more": (
        "It was not made here, or it was changed on its way. Open the page's link again, or the ward board.",
        "Non è stato creato qui, o è stato alterato. Riaprire il collegamento dell'avviso, o la lavagna di reparto.",
    ),
    "expired_link_more": (
        "If the alert still stands, the newest page has a link that works. The ward board shows all.",
        "Se l'allarme è ancora attivo, l'avviso più recente ha un collegamento valido. La lavagna di"
        " reparto mostra tutto.",
    ),
    "foreign_link_more": (
        "It was made for somebody else, or for a page that was sent to somebody else.",
        "È stato creato per un'altra persona, o per un avviso mandato a un'altra persona.",
    ),
    "no_such": ("There is nothing here", "Qui non c'è nulla"),
    "no_such_more": ("The address leads to nothing that is known here.", "L'indirizzo non porta a nulla di noto."),
    "too_many": ("Too many wrong links", "Troppi collegamenti errati"),
    "too_many_more": (
        "Wait a minute. Links in pages still work.",
        "Attendere un minuto. I collegamenti degli avvisi funzionano comunque.",
    ),
    "store_down": ("The state store cannot be reached", "L'archivio dello stato non è raggiungibile"),
    "store_down_more": (
        "Nothing was taken. Try again, and call the ward.",
        "Nulla è stato preso in carico. Riprovare, e chiamare il reparto.",
    ),
    "broken": ("This did not work", "Non ha funzionato"),
    "broken_more": (
        "Nothing is known to have been taken. Try again, and call the ward.",
        "Non risulta registrato nulla. Riprovare, e chiamare il reparto.",
    ),
    "refused": ("This cannot be done", "Non è possibile"),
    "refused_more": (
        "The request does not come from a page of this service.",
        "La richiesta non viene da una pagina di questo servizio.",
    ),
    "view_only_more": (
        "Your role on the board is to view. The page sent to whoever is on call can be answered.",
        "Il suo ruolo sulla lavagna è di sola lettura. Può rispondere chi ha ricevuto l'avviso.",
    ),
    "form_unknown": ("This answer is not known here", "Risposta sconosciuta"),
    "form_to": ("Choose somebody from the list", "Scegliere qualcuno dall'elenco"),
    "form_hours": ("Choose for how long", "Scegliere per quanto"),
    "form_more": (
        "Nothing was taken. Go back and try again.",
        "Nulla è stato registrato. Tornare indietro e riprovare.",
    ),
    "board_empty": ("No patient is watched.", "Nessun paziente seguito."),
    "counts": ("CTCAE counts", "Conte CTCAE"),
    "unanswered": ("{count} unanswered", "{count} senza risposta"),
    "open_count": ("{count} open", "{count} aperti"),
    "no_feeds": ("No feed is configured to be watched.", "Nessun flusso da sorvegliare è configurato."),
    "feed_heard": ("heard {at}", "sentito {at}"),
    "feed_silent": ("SILENT since {at}", "MUTO dalle {at}"),
    "health": ("Service", "Servizio"),
    "well": ("well", "bene"),
    "ill": ("ILL", "GUASTO"),
    "refreshes": (
        "Without JavaScript this page reloads itself every 30 seconds.",
        "Senza JavaScript questa pagina si ricarica da sola ogni 30 secondi.",
    ),
    "role_view": ("may look", "sola lettura"),
    "role_act": ("may act", "può agire"),
    "sign_in_as": ("Sign in as {who}", "Accedi come {who}"),
    "sign_in_more": (
        "The link is good for one sign-in. On a shared screen, sign out when you leave.",
        "Il collegamento vale per un solo accesso. Su uno schermo condiviso, uscire quando ci si allontana.",
    ),
    "sign_in_needed": ("Sign in to see the board", "Accedere per vedere la lavagna"),
    "sign_in_needed_more": (
        "Ask for a personal link: cartwatch link --person YOUR-ID",
        "Chiedere un collegamento personale: cartwatch link --person IL-SUO-ID",
    ),
    "sign_in_used": ("This link was used already", "Questo collegamento è già stato usato"),
    "not_registered": ("not registered", "non registrato"),
    "discharged": ("discharged", "dimesso"),
    "to_board": ("Ward board", "Lavagna di reparto"),
    "explanation": ("Why the grades are as they are", "Perché i gradi sono questi"),
    "changed_by": ("What would change it", "Che cosa lo cambierebbe"),
    "asked": (
        "Are you still on it? Without an answer the ladder starts again at {at}",
        "È ancora in carico a lei? Senza risposta le chiamate ricominciano alle {at}",
    ),
    "hours": ("{count} h", "{count} h"),
    "over_since": ("This is over since {at}", "È finito alle {at}"),
    "over": ("This is over", "È concluso"),
}


def say_in(language: Language) -> Say:
    """Words in a language: by a key of the tables above, else by a word of the catalogue."""
    place = 1 if language == "it" else 0

    def say(key: str, **values: object) -> str:
        own = OWN.get(key)
        if own is not None:
            return own[place].format(**values)
        return catalogue.say(CATALOGUED.get(key, key), language, **values)

    return say


def clinical_in(language: Language) -> Callable[[str], str]:
    """What graders and rules say, in a language."""
    return lambda text: catalogue.translate(text, language)


def preferred(header: str) -> Language:
    """The language a browser asks for first, of those there are, where nobody is known who has chosen one."""
    first = header.partition(",")[0].strip().lower()
    return "it" if first.startswith("it") else "en"
