"""Talking to language models: the client, the conversation as bytes, prices and context sizes."""
