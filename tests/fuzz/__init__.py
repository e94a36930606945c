"""Input that nobody would write: mutated datagrams, random sequences of requests, broken configurations."""
