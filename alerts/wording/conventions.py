"""The bases of the shipped conventions (`config/defaults/conventions.yaml`); a site's own is shown as it is written."""

from alerts.wording.template import Row

SHOWN: tuple[Row, ...] = (
    ("{sent} = {span} ({own}; owner: {note})", "{sent} = {span} ({own}; responsabile: {note})"),
    ("{sent} = {n} ({own}; owner: {note})", "{sent} = {n} ({own}; responsabile: {note})"),
)

CRS: tuple[Row, ...] = (
    (
        "systolic pressure below 90 mmHg, the usual bedside definition",
        "pressione sistolica sotto 90 mmHg, la definizione abituale al letto",
    ),
    (
        "mean pressure below 65 mmHg, the usual resuscitation target",
        "pressione media sotto 65 mmHg, l'obiettivo abituale di rianimazione",
    ),
    (
        "a fall from baseline counts only below 100 mmHg systolic",
        "un calo dal basale conta solo sotto 100 mmHg di sistolica",
    ),
    (
        "systolic pressure below 0.8 x the patient's pre-infusion baseline",
        "pressione sistolica sotto 0.8 x il basale del paziente prima dell'infusione",
    ),
    (
        "systolic pressure below 80 mmHg is severe hypotension",
        "pressione sistolica sotto 80 mmHg: ipotensione grave",
    ),
    ("mean pressure below 55 mmHg is severe hypotension", "pressione media sotto 55 mmHg: ipotensione grave"),
    ("SpO2 below 92 % on room air", "SpO2 sotto 92 % in aria ambiente"),
    ("SpO2 below 88 % is severe hypoxia", "SpO2 sotto 88 %: ipossia grave"),
    (
        "fever stays waived for 72 h after the last antipyretic, anticytokine or steroid dose of a "
        "diagnosed CRS; the consensus sets no clock, the reference case needs 3 days",
        "la febbre resta non richiesta per 72 h dopo l'ultima dose di antipiretico, anticitochinico o steroide di una "
        "CRS diagnosticata; il consenso non fissa un tempo, il caso di riferimento richiede 3 giorni",
    ),
    (
        "upgrade at once, downgrade slowly; two consecutive clear sets at least 6 h apart",
        "aumentare subito, ridurre lentamente; due rilievi negativi consecutivi ad almeno 6 h di distanza",
    ),
    (
        "a clinician's statement on blood pressure or oxygen outranks the numbers for 4 h",
        "la dichiarazione di un clinico su pressione o ossigeno prevale sui numeri per 4 h",
    ),
    (
        'an "other cause" statement lapses after 72 h and must then be made again',
        "una dichiarazione di «altra causa» decade dopo 72 h e va poi ripetuta",
    ),
    (
        "a vasopressor or more oxygen (grade 3 or 4) started after a statement, or a severe value charted after it, "
        "ends it: whoever made it had not seen that",
        "un vasopressore o più ossigeno (grado 3 o 4) iniziato dopo una dichiarazione, o un valore grave registrato "
        "dopo, la annulla: chi l'ha fatta non l'aveva visto",
    ),
    (
        "a vasopressor charted as given, without start and stop, counts as running for 12 h",
        "un vasopressore registrato come somministrato, senza inizio e fine, si considera in corso per 12 h",
    ),
    (
        'beyond day 14 a CRS grade is flagged "attribution to be confirmed"',
        "oltre il giorno 14 un grado di CRS è segnato «attribuzione da confermare»",
    ),
)

ICANS: tuple[Row, ...] = (
    (
        "an ICE or neurological assessment describes the patient for at most 24 h",
        "una valutazione ICE o neurologica descrive il paziente per al massimo 24 h",
    ),
    (
        "CAPD is used instead of ICE under 12 years (the consensus' own age)",
        "sotto i 12 anni si usa la CAPD invece dell'ICE (età fissata dal consenso)",
    ),
)

CHART: tuple[Row, ...] = (
    (
        "a blood pressure, saturation or rate describes the patient for at most 12 h",
        "una pressione, saturazione o frequenza descrive il paziente per al massimo 12 h",
    ),
    (
        "a temperature describes the patient for at most 24 h if none is taken since",
        "una temperatura descrive il paziente per al massimo 24 h se non ne viene misurata un'altra",
    ),
    (
        "an oxygen device stays charted for at most 24 h if not charted again",
        "un supporto di ossigeno resta registrato per al massimo 24 h se non viene registrato di nuovo",
    ),
    (
        "what is charted within 15 min is read together, pressures as well as oxygen and its flow",
        "quanto registrato entro 15 min si legge insieme: le pressioni, e l'ossigeno con il suo flusso",
    ),
    (
        "a systolic less than 5 mmHg above its diastolic is an artefact, and so is the whole set",
        "una sistolica a meno di 5 mmHg sopra la sua diastolica è un artefatto, e con lei tutta la misura",
    ),
    (
        "a systolic more than 200 mmHg above its diastolic is an artefact, and so is the whole set",
        "una sistolica a più di 200 mmHg sopra la sua diastolica è un artefatto, e con lei tutta la misura",
    ),
    (
        "a laboratory result describes the patient for at most 7 days",
        "un risultato di laboratorio descrive il paziente per al massimo 7 giorni",
    ),
    (
        "baseline is the median of what was charted in the 14 days before infusion",
        "il basale è la mediana di quanto registrato nei 14 giorni prima dell'infusione",
    ),
    (
        "an effective time more than 5 min ahead of the clock is a clock fault",
        "un'ora del dato oltre 5 min avanti rispetto all'orologio è un errore di orologio",
    ),
    (
        "a reading that a person charts up to 60 min before its time is true when it comes in; in one intensive care "
        "unit 12 % of vital signs were entered before their time, by up to 60 min",
        "un rilievo registrato da una persona fino a 60 min prima della sua ora vale da quando arriva; in una terapia "
        "intensiva il 12 % dei parametri vitali era inserito prima della sua ora, fino a 60 min",
    ),
    (
        "in these sources a person charts what a device measured, and may do so before its time",
        "in queste fonti una persona registra ciò che un dispositivo ha misurato, e può farlo prima della sua ora",
    ),
    (
        "a finding charted late still pages when it is at most 24 h old",
        "un rilievo registrato in ritardo avvisa ancora se ha al massimo 24 h",
    ),
)

SCORES: tuple[Row, ...] = (
    (
        "LDH, CRP or creatinine, and platelets count together within 24 h",
        "LDH, PCR o creatinina, e piastrine valgono insieme entro 24 h",
    ),
    (
        "m-EASIX is marked confounded for 7 days after tocilizumab, platelets or growth factor",
        "m-EASIX è segnato come influenzato per 7 giorni dopo tocilizumab, piastrine o fattore di crescita",
    ),
    (
        "CAR-HEMATOTOX takes no value later than day -5; lymphodepletion usually runs from day -5 to -3",
        "CAR-HEMATOTOX non usa valori successivi al giorno -5; la linfodeplezione va di solito dal giorno -5 al -3",
    ),
    (
        "example value, not yet set by this centre",
        "valore di esempio, non ancora definito da questo centro",
    ),
    (
        "IgG below 400 mg/dL is an institutional low-urgency notice; no CTCAE term exists",
        "IgG sotto 400 mg/dL è un avviso del centro a bassa urgenza; non esiste un termine CTCAE",
    ),
    ("ferritin rises when it doubles within 48 h", "la ferritina è in aumento quando raddoppia in 48 h"),
    ("or when it is above 10 000 µg/L", "oppure quando supera 10 000 µg/L"),
    (
        "a count at grade 4 is new for 48 h after the first such count in a row",
        "una conta di grado 4 è di nuova insorgenza per 48 h dalla prima di una serie",
    ),
)

AT_HOME: tuple[Row, ...] = (
    (
        "38.0 °C once in an outpatient counts at once and is high; a repeat takes hours at home",
        "38.0 °C una volta in un paziente ambulatoriale conta subito ed è alto; a casa una ripetizione richiede ore",
    ),
    (
        "a check-in of an outpatient that is not answered within 2 h, by day, is a notice",
        "un riscontro mancato di un paziente ambulatoriale si segnala dopo 2 h, di giorno",
    ),
    (
        "an outpatient is expected to check in between 08:00 and 22:00",
        "i riscontri di un paziente ambulatoriale sono attesi tra le 08:00 e le 22:00",
    ),
    (
        "an outpatient takes the temperature three times a day on days 0-7",
        "il paziente ambulatoriale misura la temperatura tre volte al giorno nei giorni 0-7",
    ),
    (
        "an outpatient takes the temperature twice a day on days 8-14",
        "il paziente ambulatoriale misura la temperatura due volte al giorno nei giorni 8-14",
    ),
    (
        "an outpatient has a short neurological check twice a day on days 0-7",
        "il paziente ambulatoriale ha un breve controllo neurologico due volte al giorno nei giorni 0-7",
    ),
    (
        "an outpatient has a short neurological check once a day on days 8-14",
        "il paziente ambulatoriale ha un breve controllo neurologico una volta al giorno nei giorni 8-14",
    ),
    (
        "an outpatient has laboratory values every two or three days on days 0-14",
        "il paziente ambulatoriale ha esami di laboratorio ogni due o tre giorni nei giorni 0-14",
    ),
)

CONFIRMATION: tuple[Row, ...] = (
    (
        "fever by a stream or patch counts when 3 of its last 5 samples are febrile",
        "la febbre da un monitor o cerotto conta quando 3 degli ultimi 5 campioni sono febbrili",
    ),
    ("or when it has been febrile for 10 min", "oppure quando è febbrile da 10 min"),
    (
        "samples of a stream more than 2 h apart are not read together",
        "campioni a più di 2 h di distanza non si leggono insieme",
    ),
    ("or at once from 39.5 °C", "oppure subito da 39.5 °C"),
    (
        "hypotension by cuff counts when 2 of 2 within 10 min are low",
        "l'ipotensione al bracciale conta quando 2 misure su 2 entro 10 min sono basse",
    ),
    ("or when 2 of 3 within 15 min are low", "oppure quando 2 misure su 3 entro 15 min sono basse"),
    (
        "or when two in a row are low, at most 12 h apart: where nobody measures more often, nothing else would ever "
        "confirm it",
        "oppure quando due di seguito sono basse, a distanza di al massimo 12 h: dove non si misura più spesso, "
        "nient'altro la confermerebbe mai",
    ),
    (
        "an arterial pressure counts when it has been low for 60 s",
        "una pressione arteriosa cruenta conta quando è bassa da 60 s",
    ),
    ("hypoxia by a stream counts when it has lasted 60 s", "l'ipossia da un monitor conta quando dura da 60 s"),
    ("or when 2 of 3 samples within 5 min are low", "oppure quando 2 campioni su 3 entro 5 min sono bassi"),
    ("or below 85 % for 15 s", "oppure sotto 85 % per 15 s"),
    (
        "an ICE that fell by one point to 9 asks for a repeat in 1-2 h before it pages",
        "un ICE sceso di un punto a 9 va ripetuto entro 1-2 h prima di avvisare",
    ),
)

SCHEDULE: tuple[Row, ...] = (
    ("vital signs at least every 4 h", "parametri vitali almeno ogni 4 h"),
    ("vital signs at least every 2 h while febrile", "parametri vitali almeno ogni 2 h durante la febbre"),
    (
        "vital signs at least every 2 h where m-EASIX is over the site's threshold, as while febrile",
        "parametri vitali almeno ogni 2 h se m-EASIX supera la soglia del centro, come durante la febbre",
    ),
    ("ICE at least every 12 h on days 0-14", "ICE almeno ogni 12 h nei giorni 0-14"),
    (
        "ICE at least every 8 h where m-EASIX is over the site's threshold",
        "ICE almeno ogni 8 h se m-EASIX supera la soglia del centro",
    ),
)

UNREGISTERED: tuple[Row, ...] = (
    (
        "readings that come in for 15 min without a registration are a fault of the registration",
        "dati che arrivano per 15 min senza una registrazione indicano una registrazione mancata",
    ),
    (
        "an infusion planned more than 30 days ahead is a mistyped date; lymphodepletion begins a week before it",
        "un'infusione prevista a più di 30 giorni è una data errata; la linfodeplezione inizia una settimana prima",
    ),
    (
        "480 unregistered patients, shared evenly by the shards, are more than a hospital forgets to register",
        "480 pazienti non registrati, divisi in parti uguali tra le partizioni, sono più di quanti un ospedale"
        " dimentichi di registrare",
    ),
)

ROWS = (*UNREGISTERED, *SHOWN, *CRS, *ICANS, *CHART, *AT_HOME, *SCORES, *CONFIRMATION, *SCHEDULE)
