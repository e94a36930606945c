"""What is asked of the NAT in front of the relay, and what its answers mean: codecs and judgement, pure as all here."""
