"""Errors that keep a listener from starting."""


class ListenerError(Exception):
    """A listener cannot start; the text says why and names the fix."""
