"""The web process: HTTP through Django, WebSockets through Channels. It never imports torch."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mosaic_site.settings.local")
http = get_asgi_application()

from mosaic_site.bodies import BodyLimit  # noqa: E402  (settings must be ready)
from training_workers.routing import websocket_urlpatterns  # noqa: E402  (apps must be loaded)

application = ProtocolTypeRouter(
    {
        "http": BodyLimit(http),
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
        ),
    }
)
