"""The alert rules, one file a subject. Each is a function of a `RuleInput`; `alerts/rules/run.py` lists them."""
