"""Figures as readers see them: percentages, weights, intervals, p-values and lists, always in the same form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

MINUS = "−"
_MOST_DECIMALS = 8
"""Decimals up to which a figure is told from a limit; what differs by less does so by rounding alone."""


def percent(share: float, more: int = 0) -> str:
    """A share in 0..1 as whole per cent: "38%", "<1%" for a small one that is not 0, ">99%" for nearly all; or with so
    many `more` decimals."""
    if 0 < share < 0.005 and not more:
        return "<1%"
    if 0.995 <= share < 1 and not more:
        return ">99%"
    return f"{100 * share:.{more}f}%".replace("-", MINUS)


def percent_fine(share: float, more: int = 0) -> str:
    """A share with one decimal, or so many `more`: "3.1%", for gaps and tolerances; "<0.1%" for a small one not 0."""
    return "<0.1%" if 0 < share < 0.0005 and not more else f"{100 * share:.{1 + more}f}%"


def interval(low: float, high: float) -> str:
    """A 95% interval of a share: "12–33%"."""
    return f"{100 * low:.0f}–{100 * high:.0f}%"


def signed(weight: float) -> str:
    """A weight with its sign: "+0.31", "−0.02"; "0.00" for what rounds to nothing."""
    text = f"{abs(weight):.2f}"
    return text if float(text) == 0 else f"{'+' if weight > 0 else MINUS}{text}"


def sign(weight: float) -> str:
    """ "positive" or "negative", as the printed weight has it; "" for what prints as 0."""
    return "" if float(f"{weight:.2f}") == 0 else "positive" if weight > 0 else "negative"


def figure(value: float) -> str:
    """A plain figure to three significant digits, without an exponent where that can be read: "0.412", "1,250"."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace("-", MINUS)
    if abs(value) < 0.0005:
        return f"{value:.1e}".replace("-", MINUS)
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 100 else 1
    return f"{value:.{digits}f}".replace("-", MINUS)


def silhouette(value: float, more: int = 0) -> str:
    """A silhouette, −1..1, with two decimals, or so many `more`: "0.41"."""
    return f"{value:.{2 + more}f}".replace("-", MINUS)


def correlation(value: float, more: int = 0) -> str:
    """A correlation or index, −1..1, with two decimals, or so many `more`: "0.61", "−0.20"; "1.00" for what rounds to
    it."""
    text = f"{value:.{2 + more}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", MINUS)


def p_value(p: float) -> str:
    """ "0.048"; "0.0005" where three decimals would hide it; "<0.0001"; "0.0501" for what is over 0.05 by little."""
    if p < 0.001:
        return f"{p:.1g}" if p >= 0.0001 else "<0.0001"
    return apart_from(lambda value, more: f"{value:.{3 + more}f}", p, (0.05,))


def apart_from(spelt: Callable[[float, int], str], value: float, limits: Iterable[float]) -> str:
    """A figure with as many more decimals as it takes not to read like a limit that it differs from.

    Args: spelt: a figure in words with so many more decimals than usual.
    """
    others = [limit for limit in limits if limit != value]
    for more in range(_MOST_DECIMALS):
        if all(spelt(value, more) != spelt(limit, more) for limit in others):
            return spelt(value, more)
    return spelt(value, 0)


def count(number: int, one: str, many: str = "") -> str:
    """ "1 neuron", "1,200 neurons"; `many` where the plural is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def part_of(shown: int, whole: int, one: str, many: str = "") -> str:
    """ "9 of 23 patches", "all 5 patches", "the only patch"."""
    if shown < whole:
        return f"{shown:,} of {count(whole, one, many)}"
    return f"the only {one}" if whole == 1 else f"all {count(whole, one, many)}"


def listing(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean; 0 for nothing."""
    return sum(values) / len(values) if values else 0.0


def duration(seconds: float) -> str:
    """ "8 s", "2 min 10 s", "3 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
