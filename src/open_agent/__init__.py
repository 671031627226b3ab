"""Open Agent: a self-hosted server that carries out coding tasks and loses nothing."""

__version__ = "0.2.0"
