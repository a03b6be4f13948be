"""The way in and out over HTTP: the page on a phone, the ward board, how the service is."""

HOST = "127.0.0.1"
PORT = 8080
"""Where it listens where nothing else is said."""
