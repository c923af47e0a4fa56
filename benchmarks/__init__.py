"""Where the published numbers come from; ``results/`` holds them."""
