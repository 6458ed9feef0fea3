from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person with an account. Stewards approve, open rounds and ratify; members do the rest."""

    class Role(models.TextChoices):
        MEMBER = "member", "member"
        STEWARD = "steward", "steward"

    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    # https://docs.allauth.org treats addresses as unique; the database should too.
    email = models.EmailField(unique=True)

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(role__in=["member", "steward"]), name="user_role_known"
            )
        ]

    @property
    def is_steward(self) -> bool:
        return self.role == self.Role.STEWARD

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username
