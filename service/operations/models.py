"""What can be done to models: publishing a run's checkpoint as the next version of one."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from service.cluster.serving import ServingClient
from service.domain.job import Job
from service.domain.job_folder import JobFolder
from service.errors import ConflictError, NotFoundError
from service.store.models import PRODUCTION, ModelStore, check_alias
