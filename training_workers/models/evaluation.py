from django.db import models


class Evaluation(models.Model):
    """How one adapter answers one set of probes: computed once, then found here.

    `adapter_sha256` is empty for the base alone. `probes_sha256` covers prompts and references in
    order, and how they are scored; `decoding` everything that the answers depend on besides.
    `correct[i]` is how right answer i is, from 0 to 1, `likelihoods[i]` its tokens and its
    log-probability in nats.
    """

    adapter_sha256 = models.CharField(max_length=64, blank=True)
    base_sha256 = models.CharField(max_length=64)
    probes_sha256 = models.CharField(max_length=64)
    decoding = models.CharField(max_length=80)
    correct = models.JSONField()
    answers = models.JSONField()
    likelihoods = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["adapter_sha256", "base_sha256", "probes_sha256", "decoding"],
                name="evaluation_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.adapter_sha256[:8] or 'base'} on {self.probes_sha256[:8]}"
