"""What the model may do: typed functions whose docstrings are their prompts."""
