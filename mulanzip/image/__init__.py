"""What an image is: kinds, pictures, channels, metadata.  No files, no codec, no torch."""
