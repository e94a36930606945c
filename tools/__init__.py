"""What a developer runs: set-up, tests, reports, benchmarks. Python's own library is enough for the set-up."""
