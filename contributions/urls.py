from typing import Any

app_name = "contributions"
urlpatterns: list[Any] = []
