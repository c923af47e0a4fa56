"""Archives of many images: reading and writing."""
