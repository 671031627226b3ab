"""Records and live text as lines for a person: pure folds that know nothing of a terminal."""
