"""Tools that use a screen nobody sits at: sessions of an X server, and what is done in them."""
