"""Ways in for foreign formats: HL7 v2, MLLP, FHIR, HTTP. Each ends in native messages or in a dead letter."""
