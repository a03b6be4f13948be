"""How much each service takes: what its Apprise plugin says, unless it is known to take less."""

from worker.delivery.rendering import SizeLimit

SMS = frozenset(
    {
        *("46elks", "atalk", "bulksms", "bulkvs", "burstsms", "clicksend", "clickatell", "cm", "d7sms", "dapnet"),
        *("elks", "exotel", "freemobile", "httpsms", "infobip", "kaleyra", "kavenegar", "klr", "kudosity"),
        *("mobilemessage", "mobilemsg", "msg91", "msgbird", "nexmo", "notifyre", "octopush", "plivo", "ringc"),
        *("serwersms", "seven", "sfr", "sinch", "smpp", "smpps", "smsc", "smseagle", "smseagles", "smsmanager"),
        *("smsmgr", "smstunnel", "sns", "telesign", "telnyx", "twilio", "voipms", "vonage"),
    }
)
"""Services that send text messages: in the letters of a text message, and without a picture."""

SMS_MOST = 160

TITLES = {"opsgenie": 130, "jira": 130}
TEXTS = {"ntfy": 4096, "ntfys": 4096, "tgram": 4096, "workflow": 1000, "workflows": 1000}
"""Less than the plugin says: Opsgenie cuts a title at 130, ntfy makes a file of more than 4096 octets."""

OCTETS = frozenset({"ntfy", "ntfys"})


def size_limit_of(service: str, title: int, text: int) -> SizeLimit:
    """The room of a service whose plugin says that it takes so much."""
    sms = service in SMS
    most = min(text, TEXTS.get(service, text))
    return SizeLimit(
        title=0 if sms else min(title, TITLES.get(service, title)),
        text=min(most, SMS_MOST) if sms else most,
        sms=sms,
        octets=service in OCTETS,
    )
