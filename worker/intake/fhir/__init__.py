"""FHIR R4: tolerant models of what is read, references, and what each resource says."""
