"""What we remember. The only code that knows SQL."""
