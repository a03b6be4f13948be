"""MLLP: the wire HL7 v2 comes over."""
