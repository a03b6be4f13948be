"""Intake of foreign formats: HL7 v2, MLLP, FHIR, HTTP. Each element becomes native messages or a dead letter."""
