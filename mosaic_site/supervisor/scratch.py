"""A site of its own for a command that must not touch the running one."""

import os
from pathlib import Path

# Names the scratch folder in the processes that work on it.
SCRATCH = "MOSAIC_SCRATCH"
OF_THE_RUNNING_SITE = {"DATABASE_URL", "REDIS_URL", "MEDIA_ROOT", "MOSAIC_STORAGE"}


def scratch_environment(home: Path) -> dict[str, str]:
    """This process's environment, pointed at the empty embedded site in `home`, without a demo."""
    inherited = {key: value for key, value in os.environ.items() if key not in OF_THE_RUNNING_SITE}
    return inherited | {
        SCRATCH: str(home),
        "MOSAIC_HOME": str(home),
        "MOSAIC_DEMO": "0",
        "DJANGO_SETTINGS_MODULE": "mosaic_site.settings.local",
        "OMP_NUM_THREADS": "1",
    }


def is_scratch(home: Path) -> bool:
    """Whether this process was started to work on the scratch site in `home`."""
    return os.environ.get(SCRATCH) == str(home)
