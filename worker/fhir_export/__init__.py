"""Computed grades as FHIR Observations, and pages as FHIR Communications, for an EHR."""
