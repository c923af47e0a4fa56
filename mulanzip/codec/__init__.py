"""Images <-> coded bytes: one function per stage encodes, decodes and measures."""
