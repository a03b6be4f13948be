"""FHIR R4: tolerant models of the resources that are read, references, and the parser of each resource."""
