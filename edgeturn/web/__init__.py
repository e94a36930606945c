"""The optional page for people, with metrics for Prometheus: two processes beside the relay, and nothing inside it.

Who speaks HTTP (`process`) has no right on this machine and knows no secret: it asks its parent (`supervision`), which
speaks no HTTP and answers nothing but the methods of edgeturn/command/rpcd.py.
"""
