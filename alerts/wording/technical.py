"""Technical trouble: feeds, channels, messages that cannot be used, the rota."""

from alerts.wording.template import Row

CONDITIONS: tuple[Row, ...] = (
    ("FEED {free}", "flusso dati {free}"),
    ("INTAKE {free}", "ricezione {free}"),
    ("CHANNEL {free}", "canale {free}"),
    ("JUDGEMENT {free}", "valutazione {free}"),
    ("ROTA {free}", "turni {free}"),
    ("MERGE {free}", "unione di cartelle {free}"),
    ("UNREGISTERED PATIENTS SINCE {at}", "pazienti non registrati dal {at}"),
)

FAULTS: tuple[Row, ...] = (
    ("nothing from {free} since {at}", "nessun dato da {free} dal {at}"),
    ("{free} was never heard, watched since {at}", "{free} non ha mai trasmesso, sorvegliato dal {at}"),
    ("patients it sent readings of: {who}", "pazienti di cui inviava i dati: {who}"),
    ("patients it sent readings of: {who} and {n} more", "pazienti di cui inviava i dati: {who} e altri {n}"),
    (
        "silence here does not mean that its patients are well",
        "questo silenzio non significa che i suoi pazienti stiano bene",
    ),
    ("{free} is heard again", "{free} trasmette di nuovo"),
    (
        "messages from {free} are set aside: {own}; see `cartwatch dead-letters`",
        "messaggi da {free} scartati: {own}; vedere `cartwatch dead-letters`",
    ),
    (
        "messages from {free} cannot be read; see `cartwatch dead-letters`",
        "messaggi da {free} illeggibili; vedere `cartwatch dead-letters`",
    ),
    (
        "a merge from {free} is ended by a newer one the other way; see `cartwatch merges`",
        "un'unione di cartelle inviata da {free} è annullata da una più recente in senso inverso; "
        "vedere `cartwatch merges`",
    ),
    (
        "a merge was taken back, says {free}; see `cartwatch merges`",
        "un'unione di cartelle è stata annullata, secondo {free}; vedere `cartwatch merges`",
    ),
    (
        "messages go round among merged records; see `cartwatch merges` and `cartwatch dead-letters`",
        "messaggi girano in tondo tra cartelle unite; vedere `cartwatch merges` e `cartwatch dead-letters`",
    ),
    (
        "a message in the inbox cannot be read; see `cartwatch dead-letters`",
        "un messaggio in arrivo è illeggibile; vedere `cartwatch dead-letters`",
    ),
    (
        "a {free} from {free2} could not be evaluated ({free3}); see `cartwatch dead-letters`",
        "un messaggio ({free}) da {free2} non è stato valutato ({free3}); vedere `cartwatch dead-letters`",
    ),
    (
        "a ladder could not be evaluated ({free}); it is tried again each minute, see the worker's log",
        "una catena di reperibilità non è stata valutata ({free}); si riprova ogni minuto, vedere il log del worker",
    ),
    (
        "pages do not get through on channel {free}: {own}",
        "gli avvisi non arrivano sul canale {free}: {own}",
    ),
    ("no answer", "nessuna risposta"),
    (
        "messages from {who} are set aside; see `cartwatch dead-letters`",
        "messaggi da {who} scartati; vedere `cartwatch dead-letters`",
    ),
    (
        "{who} sends more that cannot be used than is kept: the oldest of it is dropped; see `cartwatch dead-letters`",
        "{who} invia più messaggi inutilizzabili di quanti se ne conservano: i più vecchi sono eliminati;"
        " vedere `cartwatch dead-letters`",
    ),
    (
        "the FHIR base has taken nothing for {free} min ({free2}); what it is owed is kept",
        "il server FHIR non accetta nulla da {free} min ({free2}); ciò che gli è dovuto è conservato",
    ),
    (
        "the FHIR base refuses {free} of what it was sent; see `cartwatch fhir-export status`",
        "il server FHIR rifiuta {free} delle risorse inviate; vedere `cartwatch fhir-export status`",
    ),
    (
        "{free} overdue {free2} in shard(s) {free3}: see `cartwatch health`",
        "in ritardo nelle partizioni {free3}: {free} ({free2}); vedere `cartwatch health`",
    ),
    (
        "nothing is evaluated in the shard that reports technical trouble",
        "nulla viene valutato nella partizione che segnala i problemi tecnici",
    ),
    (
        "no worker takes from the queue {free}: start one",
        "nessun worker preleva dalla coda {free}: avviarne uno",
    ),
    (
        "the clock of {free} is {free2} s off the store's: check the time service of both",
        "l'orologio di {free} differisce di {free2} s da quello dell'archivio: controllare l'ora di entrambi",
    ),
    (
        "the store's clock has jumped by {free} s: check its time service; until it is right, readings may"
        " count as old or be refused as of the future, and episodes may be paged early or again",
        "l'orologio dell'archivio è saltato di {free} s: controllarne il servizio orario; finché non è corretto, i dati"
        " possono risultare vecchi o essere scartati come futuri, e gli avvisi possono partire in anticipo o di nuovo",
    ),
    (
        "{free} unregistered patients send readings, from {free2};"
        " register them with `cartwatch register`, on the ward board or by the EHR",
        "arrivano dati di {free} pazienti non registrati, da {free2};"
        " registrarli con `cartwatch register`, sulla lavagna di reparto o dalla cartella clinica",
    ),
    (
        "too many unregistered patients ({free} are kept): register them, or discharge those who are not to be watched",
        "troppi pazienti non registrati (se ne conservano {free}): registrarli, o dimettere chi non va sorvegliato",
    ),
    ("{free} is over", "{free}: risolto"),
    ("cartwatch cannot page", "cartwatch non può inviare avvisi"),
    ("cartwatch pages again", "cartwatch invia di nuovo gli avvisi"),
    (
        "until this is fixed nobody is paged about any patient: watch the patients; "
        "see `cartwatch health` on the server",
        "finché non è risolto nessuno riceve avvisi su alcun paziente: sorvegliare i pazienti; "
        "vedere `cartwatch health` sul server",
    ),
    ("the outage is over; it lasted {free} s", "l'interruzione è terminata; è durata {free} s"),
    ("the state store cannot be used: {what}", "l'archivio non è utilizzabile: {what}"),
    ("the broker cannot be used: {what}", "il broker non è utilizzabile: {what}"),
    ("it does not answer ({free})", "non risponde ({free})"),
    ("it fails ({free})", "non funziona ({free})"),
    ("it is still reading its data from disk", "sta ancora leggendo i dati dal disco"),
    ("its memory is full (maxmemory)", "la sua memoria è piena (maxmemory)"),
    ("it is a read-only replica", "è una replica di sola lettura"),
    ("it refuses to write; its disk may be full", "rifiuta di scrivere; il suo disco potrebbe essere pieno"),
    (
        "its settings are unsafe and no worker starts",
        "le sue impostazioni non sono sicure e nessun worker si avvia",
    ),
    ("pages are owed and none is sent", "ci sono avvisi da inviare e nessuno viene inviato"),
    ("messages wait and none is evaluated", "ci sono messaggi in attesa e nessuno viene valutato"),
    ("no worker runs", "nessun worker è in funzione"),
    (
        "nobody holds the role {free}: the last resort is told in its place; see `cartwatch check`",
        "nessuno ricopre il ruolo {free}: si avvisa al suo posto il contatto di ultima istanza; "
        "vedere `cartwatch check`",
    ),
)

DELIVERY: tuple[Row, ...] = (
    ("the channel is no longer configured", "il canale non è più configurato"),
    (
        "this machine's configuration is older and does not know the channel",
        "la configurazione di questa macchina è meno recente e non conosce il canale",
    ),
    ("the channel's address is not one Apprise knows", "l'indirizzo del canale non è riconosciuto da Apprise"),
    ("the provider did not answer in time", "il fornitore non ha risposto in tempo"),
    ("no answer from the provider", "nessuna risposta dal fornitore"),
    (
        "the mail server was not reached, or refused (certificate, login, recipient)",
        "il server di posta non è stato raggiunto o ha rifiutato (certificato, accesso, destinatario)",
    ),
    ("the provider answered {n}", "il fornitore ha risposto {n}"),
    ("the provider refused with its code {n}", "il fornitore ha rifiutato con il codice {n}"),
    (
        "the worker that sent it ended before there was an answer",
        "il worker che inviava è terminato prima della risposta",
    ),
)
"""What became of an attempt to send a page."""

CONFIGURATION: tuple[Row, ...] = (
    (
        "the configuration on {who} is older than the one pages are made under, and no sender has the newer",
        "la configurazione su {who} è meno recente di quella con cui si scrivono gli avvisi, e nessun mittente ha la "
        "nuova",
    ),
    (
        "channel {who} is used as {who2} knows it; bring its files up to date",
        "il canale {who} è usato come lo conosce {who2}; aggiornare i suoi file",
    ),
    (
        "the configuration on {who} cannot be used; the one before stays in force: {free}",
        "la configurazione su {who} non è utilizzabile; resta in vigore la precedente: {free}",
    ),
)

STORE: tuple[Row, ...] = (
    (
        "a patient's stored state cannot be read: the patient is not watched; see `cartwatch unreadable`",
        "i dati archiviati di un paziente non sono leggibili: il paziente non è sorvegliato; "
        "vedere `cartwatch unreadable`",
    ),
    (
        "a patient is not watched, because their stored data cannot be read: see the ward board",
        "un paziente non è sorvegliato, perché i suoi dati archiviati non sono leggibili: vedere la lavagna di reparto",
    ),
    (
        "the stored technical incidents cannot be read and begin anew; see `cartwatch unreadable`",
        "i problemi tecnici archiviati non sono leggibili e ricominciano da capo; vedere `cartwatch unreadable`",
    ),
    (
        "a page that is owed cannot be read and is not sent; see `cartwatch unreadable`",
        "un avviso da inviare non è leggibile e non viene inviato; vedere `cartwatch unreadable`",
    ),
    (
        "an entry for the EHR cannot be read and is not exported; see `cartwatch unreadable`",
        "un dato per la cartella clinica non è leggibile e non viene esportato; vedere `cartwatch unreadable`",
    ),
    (
        "the stored data has version {n}, and this cartwatch knows version {n2} at most",
        "i dati archiviati hanno la versione {n}, e questo cartwatch conosce al massimo la versione {n2}",
    ),
    (
        "start the newer version again; to go back, restore the backup that was made before the upgrade",
        "riavviare la versione più recente; per tornare indietro, ripristinare la copia fatta prima dell'aggiornamento",
    ),
    (
        "the key {free} was of another type than ours and was renamed: find what else writes to this store",
        "la chiave {free} conteneva un altro tipo ed è stata rinominata: cercare che cos'altro scrive in "
        "questo archivio",
    ),
    ("Redis {free}", "Redis {free}"),
    ("install Redis 7 or newer, or Valkey", "installare Redis 7 o successivo, oppure Valkey"),
    ("a read-only replica", "una replica in sola lettura"),
    ("a read-only replica ({note})", "una replica in sola lettura ({note})"),
    ("give CARTWATCH_REDIS_URL the address of the primary", "dare a CARTWATCH_REDIS_URL l'indirizzo del primario"),
    ("maxmemory-policy {who} drops keys", "maxmemory-policy {who} elimina chiavi"),
    ("set maxmemory-policy noeviction", "impostare maxmemory-policy noeviction"),
    ("{n} % of it is used", "è in uso per il {n} %"),
    (
        "raise maxmemory, or free memory: from {n} % on nothing is taken in",
        "aumentare maxmemory, o liberare memoria: dal {n} % in poi non si riceve più nulla",
    ),
    (
        "nothing is taken in while {n} % of the store is used",
        "non si riceve nulla finché è in uso il {n} % dell'archivio",
    ),
    (
        "what is left is for pages that are owed: raise maxmemory, or free memory",
        "ciò che resta serve agli avvisi dovuti: aumentare maxmemory, o liberare memoria",
    ),
    ("full: maxmemory is reached and writes are refused", "pieno: maxmemory è raggiunto e le scritture sono rifiutate"),
    ("raise maxmemory", "aumentare maxmemory"),
    (
        "appendonly no: what was accepted is lost when the store ends",
        "appendonly no: ciò che è stato accettato va perso quando l'archivio termina",
    ),
    (
        "set appendonly yes and appendfsync always (CARTWATCH_VOLATILE=true for a look around without patients)",
        "impostare appendonly yes e appendfsync always (CARTWATCH_VOLATILE=true per una prova senza pazienti)",
    ),
    (
        "appendfsync {who}: a power cut loses the last of what was accepted",
        "appendfsync {who}: un'interruzione di corrente fa perdere gli ultimi dati accettati",
    ),
    ("maxmemory is not set", "maxmemory non è impostato"),
    (
        "set it to half of the machine's at most, so that a write of the append-only file anew has room",
        "impostarlo al massimo a metà della memoria della macchina, così la riscrittura del file AOF ha spazio",
    ),
    ("set appendfsync always", "impostare appendfsync always"),
    ("the append-only file cannot be written", "il file AOF non può essere scritto"),
    ("free space on the store's disk", "liberare spazio sul disco dell'archivio"),
    ("writes are refused ({note})", "le scritture sono rifiutate ({note})"),
    ("see the store's log; is its disk full?", "vedere il log dell'archivio; il disco è pieno?"),
    (
        "CARTWATCH_SHARDS is {n}, and this installation was begun with {n2}",
        "CARTWATCH_SHARDS è {n}, e questa installazione è stata avviata con {n2}",
    ),
    ("its patients would not be found", "i suoi pazienti non sarebbero trovati"),
    (
        "set CARTWATCH_SHARDS={n}, or another CARTWATCH_NAMESPACE for another installation",
        "impostare CARTWATCH_SHARDS={n}, o un altro CARTWATCH_NAMESPACE per un'altra installazione",
    ),
)
"""What of the store is not as it must be (`worker/store/requirements.py`), and what to do."""

PARTS: tuple[Row, ...] = (
    ("store", "archivio"),
    ("store version", "versione dell'archivio"),
    ("store role", "ruolo dell'archivio"),
    ("store eviction", "eliminazione di dati dall'archivio"),
    ("store durability", "durabilità dell'archivio"),
    ("store memory", "memoria dell'archivio"),
    ("intake", "ricezione dei messaggi"),
    ("shards", "partizioni"),
    ("stored data", "dati archiviati"),
    ("unreadable data", "dati non leggibili"),
    ("workers", "worker"),
    ("workers {what}", "worker: {what}"),
    ("evaluating", "valutazione"),
    ("receiving", "ricezione"),
    ("delivering", "consegna"),
    ("delivering critical pages", "consegna degli avvisi critici"),
    ("sending pictures", "invio delle immagini"),
    ("overdue", "scadenze superate"),
    ("watchdog", "controllore"),
    ("canary", "prova di andata e ritorno"),
    ("heartbeat", "segnale di vita"),
    ("dead letters", "messaggi non utilizzabili"),
    ("unregistered", "pazienti non registrati"),
)
"""The parts of the service that may be ill (`worker/monitoring/health.py`)."""

ROWS = (*CONDITIONS, *FAULTS, *DELIVERY, *CONFIGURATION, *STORE, *PARTS)
