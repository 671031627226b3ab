"""What the model may do on the web, of whose pages and addresses none is trusted."""
