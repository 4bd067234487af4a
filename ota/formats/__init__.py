"""What a release and a roll-out are, as bytes that both ends read. Pure but for the files named."""
