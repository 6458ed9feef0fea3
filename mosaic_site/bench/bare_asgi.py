"""Django's own ASGI application, without Channels: for the alternatives of `readers`."""

from django.core.asgi import get_asgi_application

application = get_asgi_application()
