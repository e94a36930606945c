"""The terms that `--explain` knows, a file for each field, in the form of edgeturn/diagnose/wording.py."""
