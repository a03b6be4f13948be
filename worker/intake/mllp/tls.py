"""The TLS side of a listener, with errors that say which file is wrong."""

import ssl

from config.listeners import Tls
from worker.intake.mllp.errors import ListenerError


def context(tls: Tls) -> ssl.SSLContext:
    """TLS 1.2 or newer with the listener's certificate; with a client authority, peers must show one of its own.

    Raises:
        ListenerError: a file is missing, unreadable, or does not fit the others.
    """
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    for path in (tls.certificate, tls.key, *([tls.client_ca] if tls.client_ca else [])):
        try:
            path.open("rb").close()
        except OSError as error:
            raise ListenerError(f"tls: {path}: cannot be read: {error.strerror}") from error
    try:
        # An empty password, so that no prompt waits for somebody to type.
        made.load_cert_chain(tls.certificate, tls.key, password="")
    except (ssl.SSLError, ValueError) as error:
        why = getattr(error, "reason", None) or type(error).__name__
        raise ListenerError(
            f"tls: {tls.certificate} and {tls.key} are no PEM certificate with its unencrypted key ({why})"
        ) from error
    if tls.client_ca is not None:
        try:
            made.load_verify_locations(tls.client_ca)
        except ssl.SSLError as error:
            raise ListenerError(f"tls: {tls.client_ca}: no PEM certificate of an authority") from error
        made.verify_mode = ssl.CERT_REQUIRED
    return made
