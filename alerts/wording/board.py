"""The ward board: signing in, the ward, one patient."""

from alerts.wording.template import Row

SIGNING_IN: tuple[Row, ...] = (
    ("Sign in as {person}", "Accedi come {person}"),
    (
        "The link is good for one sign-in. On a shared screen, sign out when you leave.",
        "Il collegamento vale per un solo accesso. Su uno schermo condiviso, uscire quando ci si allontana.",
    ),
    ("Signed in as {person}", "Accesso come {person}"),
    ("may look", "sola lettura"),
    ("may act", "può agire"),
    ("Sign out", "Esci"),
)

WARD: tuple[Row, ...] = (
    ("Ward board", "Lavagna di reparto"),
    ("Live", "In diretta"),
    ("Not live: reload the page", "Non in diretta: ricaricare la pagina"),
    ("Last update {time}", "Ultimo aggiornamento: {time}"),
    (
        "Without JavaScript this page reloads itself every 30 seconds.",
        "Senza JavaScript questa pagina si ricarica da sola ogni 30 secondi.",
    ),
    ("{count} open", "{count} aperti"),
    ("{count} unanswered", "{count} senza risposta"),
    ("Service", "Servizio"),
    ("well", "regolare"),
    ("ILL", "GUASTO"),
    ("Feeds", "Flussi dati"),
    ("heard {time}", "ultimo dato alle {time}"),
    ("SILENT since {time}", "SILENTE dalle {time}"),
    ("NEVER HEARD, watched since {time}", "MAI RICEVUTO, sorvegliato dalle {time}"),
    ("No feed is configured to be watched.", "Nessun flusso da sorvegliare è configurato."),
    ("Technical", "Tecnici"),
    ("Patients", "Pazienti"),
    ("No patient is watched.", "Nessun paziente in sorveglianza."),
    ("Place", "Posto"),
    ("Day", "Giorno"),
    ("BP", "PA"),
    ("Plt", "PLT"),
    ("neutrophils, ×10⁹/L", "neutrofili, ×10⁹/L"),
    ("platelets, ×10⁹/L", "piastrine, ×10⁹/L"),
    ("haemoglobin, g/dL", "emoglobina, g/dL"),
    ("Open episodes", "Episodi aperti"),
    ("No open episode", "Nessun episodio aperto"),
    ("not registered", "non registrato"),
    (
        "Not registered: {count}, since {time}, from {sources}",
        "Non registrati: {count}, dalle {time}, da {sources}",
    ),
    (
        "Not watched, because their stored data cannot be read: {names}",
        "Non sorvegliati, perché i loro dati archiviati non sono leggibili: {names}",
    ),
    ("discharged", "dimesso"),
    ("Discharged", "Dimessi"),
    ("and", "e"),
    ("to be looked at", "da controllare"),
)

VALUES: tuple[Row, ...] = (
    ("{name}: none charted", "{name}: nessun dato"),
    ("{name} {value} at {time}", "{name} {value} alle {time}"),
    ("{name} in 24 h: {low} to {high}, last {value}", "{name} in 24 h: da {low} a {high}, ultimo {value}"),
    ("older than it should be", "più vecchio del dovuto"),
    ("on O2", "con O2"),
    ("over limit", "oltre soglia"),
    ("rising", "in aumento"),
    ("falling", "in calo"),
    ("prel.", "provv."),
    ("now", "ora"),
    ("{n} d", "{n} gg"),
)

REGISTER: tuple[Row, ...] = (
    ("Register a patient", "Registra un paziente"),
    ("Register", "Registra"),
    ("Patient id, as readings bear it", "Codice del paziente, come nei dati in arrivo"),
    ("Infusion, day and hour", "Infusione, giorno e ora"),
    ("Product", "Prodotto"),
    ("not known yet", "non ancora noto"),
    ("Date of birth", "Data di nascita"),
    ("Ward", "Reparto"),
    ("Bed", "Letto"),
    ("Team", "Équipe"),
    ("Not registered", "Non registrati"),
    (
        "What is left empty changes nothing. Without the infusion no day is known.",
        "Ciò che resta vuoto non cambia nulla. Senza l'infusione il giorno non è noto.",
    ),
    (
        "The registration is stored. The patient stands on the board as soon as it has taken effect.",
        "La registrazione è salvata. Il paziente appare sulla lavagna appena ha effetto.",
    ),
)

COURSE: tuple[Row, ...] = (
    ("Why the grades are as they are", "Perché i gradi sono questi"),
    ("What would change it", "Che cosa lo cambierebbe"),
)

ROWS = (*SIGNING_IN, *WARD, *VALUES, *REGISTER, *COURSE)
