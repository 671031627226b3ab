"""What a promise is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    """One promised behaviour.

    Attributes:
        source: Who says so: `original` (its clients rely on it), `design` or `issue`.
        sentence: What one can count on.
        proof: Tests that prove it without carrying its id, as `file::test` below `tests/`; a file
            alone where all of it is the proof.
        gap: Why no test proves it; empty when one must.
    """

    source: str
    sentence: str
    proof: tuple[str, ...] = ()
    gap: str = ""
