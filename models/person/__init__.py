"""A synthetic person: geometry, skin, hair, clothes, light, and the pictures made of them."""
