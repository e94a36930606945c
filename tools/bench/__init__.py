"""The figures of the relay against coturn and a bare loop, measured in network namespaces: `python -m tools.bench`."""
