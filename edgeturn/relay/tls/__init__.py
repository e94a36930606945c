"""What TLS and DTLS need: certificates that are judged and followed, and DTLS sessions."""
