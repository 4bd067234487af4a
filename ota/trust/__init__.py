"""What is signed and how it is verified, the same on the box and on the publisher's machine."""
