"""Out: computed grades as FHIR Observations, and pages as FHIR Communications, to a record system."""
