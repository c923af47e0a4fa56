"""Images in memory: kinds, pictures, channels, kinds of metadata.  No files, no codec, no torch."""
