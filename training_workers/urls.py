from typing import Any

app_name = "training_workers"
urlpatterns: list[Any] = []
