"""
The firmware's build: verified sources, a C library and a MicroPython for each architecture, edgeturn frozen in.

Rule 1: It runs before the virtual environment exists: Python 3.11's standard library and tools.micropython.apt only.
Rule 2: Everything is in .build/firmware; what is done is remembered by what it was made from, and then nothing is run.
Rule 3: The same sources give the same bytes, wherever the tree lies and whenever it's built.
"""
