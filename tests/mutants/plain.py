"""
How the suites run on a mutant: a plugin of pytest.

Of a mutant only one thing is asked, whether a test fails. So the first failure will do, it is not shrunk, and every run
draws the same examples: a mutant killed today is killed tomorrow.
"""

from hypothesis import Phase, settings

settings.register_profile(
    "mutants",
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
)
settings.load_profile("mutants")
