"""Compressed streams in files of other formats: taken out as their content, and made again."""
