from django.db import models


class Base(models.Model):
    """A shared language model that experts adapt. Exactly one is active in a community.

    `source` is a folder or a Hub id, as `AutoModelForCausalLM.from_pretrained` takes it; `sha256`
    covers weights, configuration and tokenizer, and names the base in every score and adapter.
    """

    name = models.CharField(max_length=80, unique=True)
    source = models.CharField(max_length=400)
    revision = models.CharField(max_length=80, blank=True)
    sha256 = models.CharField(max_length=64, unique=True)
    parameters = models.PositiveBigIntegerField()
    context_length = models.PositiveIntegerField()
    licence = models.CharField(max_length=60, blank=True)
    active = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-active", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["active"], condition=models.Q(active=True), name="base_one_active"
            )
        ]

    def __str__(self) -> str:
        return self.name
