from celery import shared_task

from mosaic_site.demo import story
from mosaic_site.health import routine


@shared_task
def demo_goes_on() -> None:
    """Let the people of the demo community do what comes next."""
    story.go_on()


@shared_task
def examine() -> None:
    """Look for what is wrong, for the operations page."""
    routine.examine_and_keep()
