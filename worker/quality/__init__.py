"""Alarm quality: simulated cohorts whose truth is known, and what the rules page on them and on real streams."""
