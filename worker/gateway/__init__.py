"""The gateway over HTTP: the page on a phone, the ward board, the intake, and the health of the service."""

HOST = "127.0.0.1"
PORT = 8080
"""The default port."""
