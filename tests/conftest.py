"""What all tests share: hypothesis draws the same examples in every run, and no test fails for being slow.

HYPOTHESIS_PROFILE=searching draws others each time.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("searching", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", settings.get_profile("searching"), derandomize=True, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
