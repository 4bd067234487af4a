"""How good an avatar is: pictures, lips and timing against ground truth."""
