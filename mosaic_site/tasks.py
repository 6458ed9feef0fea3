from celery import shared_task

from mosaic_site.demo import story


@shared_task
def demo_goes_on() -> None:
    """Let the people of the demo community do what comes next."""
    story.go_on()
