"""MULAN as published: multivariate, adaptive, learned Gaussian noise; its bound, likelihood, samples and contexts."""
