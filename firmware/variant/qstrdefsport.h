// Names that no C source mentions where they are looked for.
Q(crc32)
