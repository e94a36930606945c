"""The lab: a relay between network namespaces, judged by clients that other people wrote."""
