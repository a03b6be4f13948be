"""MLLP: the framing of HL7 v2 over TCP."""
