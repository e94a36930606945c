"""The cases, a table for each part of a call's setting up."""
