"""What happened to a mission, as immutable facts in one order, and the folds that read them."""
