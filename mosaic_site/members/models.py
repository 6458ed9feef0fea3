from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone

LEFT = "a member who left"
"""How everybody is called whose account is deleted."""

# Support within a smaller group could tell what its members think, one by one.
SMALLEST_SHOWN = 5


class MemberGroupQuerySet(models.QuerySet["MemberGroup"]):
    def with_shown(self) -> "MemberGroupQuerySet":
        """Adds `is_shown`: it has members enough for support within it to be shown."""
        sized = self.alias(size=models.Count("members"))
        return sized.annotate(is_shown=models.Q(size__gte=SMALLEST_SHOWN))

    def shown(self) -> "MemberGroupQuerySet":
        return self.alias(size=models.Count("members")).filter(size__gte=SMALLEST_SHOWN)


class MemberGroup(models.Model):
    """A part of the community that members may say they belong to ("nurses", "the north side").

    Nobody gains a right by it: support is shown overall and within groups.
    """

    name = models.CharField(max_length=80)
    description = models.TextField(blank=True, max_length=600)

    objects = MemberGroupQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(Lower("name"), name="member_group_named_once")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"{reverse('members:group_list')}#group-{self.pk}"


class User(AbstractUser):
    """A person with an account. Stewards approve, open rounds and ratify; members do the rest."""

    class Role(models.TextChoices):
        MEMBER = "member", "member"
        STEWARD = "steward", "steward"

    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    # https://docs.allauth.org treats addresses as unique; the database should too.
    email = models.EmailField(unique=True)
    # What the member declares; personal, so it is shown to nobody else and not in the ledger.
    group = models.ForeignKey(
        MemberGroup, null=True, blank=True, on_delete=models.SET_NULL, related_name="members"
    )

    # Set for good: nothing that names the person is left in this row, which others point to.
    left_at = models.DateTimeField(null=True, blank=True)
    # Whether what they had published was to be withdrawn with them.
    took_everything = models.BooleanField(default=False)

    # No column: whether a program asks, with a token. It has a member's rights, whoever made it.
    is_by_token = False

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(role__in=["member", "steward"]), name="user_role_known"
            )
        ]

    @property
    def is_steward(self) -> bool:
        return self.role == self.Role.STEWARD and not self.is_by_token

    @property
    def display_name(self) -> str:
        if self.left_at is not None:
            return LEFT
        return self.get_full_name() or self.username


class Scope(models.TextChoices):
    """What an API token may be used for."""

    READ = "read", "Read what you can read: your datasets, experts and inbox too"
    TALK = "talk", "Talk to the model"
    DATASETS_WRITE = "datasets:write", "Upload datasets, describe, publish and withdraw them"
    EXPERTS_WRITE = "experts:write", "Declare priorities; submit, bring and withdraw experts"
    PROPOSALS_WRITE = "proposals:write", "Propose, endorse, discuss and recommend"
    VOTE = "vote", "Cast your ballot, and see how you voted"


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def usable(self) -> "ApiTokenQuerySet":
        return self.filter(revoked_at=None, expires_at__gt=timezone.now(), member__is_active=True)


class ApiToken(models.Model):
    """A key with which a program acts for a member, within its scopes and until it expires.

    Of the secret only the SHA-256 is kept. It has 256 random bits, so no slow hash is needed.
    """

    member = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    sha256 = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    # To the minute.
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["member", "name"],
                condition=models.Q(revoked_at=None),
                name="api_token_named_once",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def scope_words(self) -> list[str]:
        """Its scopes, as people read them."""
        return [str(Scope(scope).label) for scope in self.scopes]

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()
