"""What all tests share: hypothesis draws the same examples in every run, and no test fails for being slow; signals do
what they do in a terminal, also where the tests are started by nohup or in the background of a script.

HYPOTHESIS_PROFILE=searching draws others each time.
"""

import os
import signal

from hypothesis import HealthCheck, settings

settings.register_profile("searching", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", settings.get_profile("searching"), derandomize=True, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)
