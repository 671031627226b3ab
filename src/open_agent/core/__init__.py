"""The vocabulary everything else is written in: ids, time, money, errors, entities. No I/O."""
