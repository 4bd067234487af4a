"""A person speaks as the avatar: from a signed permission to sound and mouths on the box."""
