"""The addresses of the sockets."""

from typing import Any

from django.urls import path

from training_workers.consumers import JobConsumer, TalkConsumer

websocket_urlpatterns: list[Any] = [
    path("ws/jobs/<int:pk>/", JobConsumer.as_asgi()),
    path("ws/talk/", TalkConsumer.as_asgi()),
]
