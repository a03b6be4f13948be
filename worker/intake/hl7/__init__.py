"""HL7 v2: tokens, batches, acknowledgements, and the parsers of each message type."""
