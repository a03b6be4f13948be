"""The alert rules, one file a subject. Each is a function of a scene; `alerts/findings.py` lists them."""
