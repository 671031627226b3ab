"""Open Agent: a self-hosted server that carries out coding tasks and loses nothing."""

__version__ = "0.1.0"
