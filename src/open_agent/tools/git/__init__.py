"""What the model may do with git repositories, none of which is trusted."""
