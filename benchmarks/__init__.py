"""Scripts that produce the published figures; ``results/`` holds their output."""
