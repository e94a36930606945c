// Names that no C source mentions: none.
