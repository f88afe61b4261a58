"""Charts: numbers over time as the points of a line, and shares as lengths. No clock, no colour, no markup."""

from collections.abc import Sequence

from attrs import frozen

__all__ = ["HEIGHT", "WIDTH", "Line", "line", "share"]

WIDTH, HEIGHT = 320, 64
_EDGE = 4


@frozen
class Line:
    """
    Numbers over time.

    Attributes:
        points: Where the line goes, as SVG has it, in a box of WIDTH by HEIGHT whose floor is zero.
        since_us: The time at its left end.
        least: The least number.
        most: The greatest.
        latest: The last.
    """

    points: str
    since_us: int
    least: float
    most: float
    latest: float


def line(numbers: Sequence[tuple[int, float]]) -> Line | None:
    """
    Return the line through numbers, each behind its time in microseconds, which grows; None for fewer than two.

    >>> line([(0, 0.0), (10, 5.0)]).points
    '0.0,60.0 320.0,4.0'
    """
    if len(numbers) < 2:
        return None
    values = [value for _, value in numbers]
    (first, _), (last, _) = numbers[0], numbers[-1]
    span, top = max(last - first, 1), max(*values, 1e-9)
    points = " ".join(
        f"{(at - first) / span * WIDTH:.1f},{HEIGHT - _EDGE - value / top * (HEIGHT - 2 * _EDGE):.1f}"
        for at, value in numbers
    )
    return Line(points, first, min(values), max(values), values[-1])


def share(count: int, most: int) -> int:
    """
    Return how long the bar of a count is, 0 to 100; what is there is seen.

    >>> share(1, 1000), share(500, 1000), share(0, 1000)
    (1, 50, 0)
    """
    return 0 if count <= 0 or most <= 0 else max(1, round(100 * count / most))
