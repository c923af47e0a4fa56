"""What several tests need: pictures, small models, processes, a second decoder."""
