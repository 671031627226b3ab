"""What an OpenCode server says and takes, over HTTP: the only code that knows its routes and shapes."""
