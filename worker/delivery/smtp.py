"""The SMTP of Apprise's mail plugin: a mail server that answers in drips is cut off like any other provider.

`smtplib` limits each wait, not the whole dialogue. So the plugin gets a stand-in for that module, whose connections
`cut_off` can end.
"""

import smtplib
import socket
from typing import Any

from apprise.plugins.email import smtp as plugin

from worker.delivery.sockets import Handled


class _Smtp(Handled, smtplib.SMTP):
    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        made: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        return self.handle(made)

    def close(self) -> None:
        super().close()
        self.let_go()


class _SmtpOverTls(smtplib.SMTP_SSL, _Smtp):
    """It wraps the socket that `_Smtp` makes."""


class Smtplib:
    """Stands for the module `smtplib`. All names but the two connections are those of it."""

    SMTP, SMTP_SSL = _Smtp, _SmtpOverTls

    def __getattr__(self, name: str) -> Any:
        return getattr(smtplib, name)


def bound_dialogues() -> None:
    """Let the mail plugin make connections that can be cut off, from now on."""
    setattr(plugin, "smtplib", Smtplib())  # noqa: B010 - mypy knows no such name
