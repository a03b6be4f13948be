"""The alert rules, one file a subject. Each is a function of a scene; `alerts/rules/run.py` lists them."""
