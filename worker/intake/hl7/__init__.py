"""HL7 v2: tokens, batches, acknowledgements, and what its messages say."""
