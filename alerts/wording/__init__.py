"""The words of pages, of the gateway and of the trend picture: English and Italian beside each other, in one catalogue.

Graders, rules and faults say one English sentence, which is the clinical text; `catalogue.translate` finds it here and
gives the other language. Each file holds the rows of one subject, to be read by a clinician: English on the left,
Italian on the right. What stands in braces is filled in, and its name says what it may be (`template.py`).
A new sentence is one row; `tests/unit/alerts/wording` grades many charts and fails on a sentence without a row, and on
a row that nobody says.
"""
