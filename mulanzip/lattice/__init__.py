"""The geometry of images, and noise schedules as data.  No pixel values, no files."""
