"""Simulus: a token world model with parallel observation prediction, trained apart from tokenizers and controller."""
