"""The operating system's own two slots: who boots, what RAUC writes, who keeps them bootable."""
