"""What the cases say, a file for each table of cases, in the form of edgeturn/diagnose/wording.py."""
