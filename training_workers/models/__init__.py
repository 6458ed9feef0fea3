from training_workers.models.evaluation import Evaluation
from training_workers.models.job import Job, JobEvent
from training_workers.models.release import Release, ReleaseExpert

__all__ = ["Evaluation", "Job", "JobEvent", "Release", "ReleaseExpert"]
