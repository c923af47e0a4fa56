"""Training of models: data, optimisers, runs."""
