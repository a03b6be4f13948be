"""From the outbox to a phone: claim, send through Apprise, record what became of it."""
