"""What an operator can set: the fields by what they are about, their types, and where values come from."""
