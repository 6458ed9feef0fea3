"""From where a request comes."""

import ipaddress

from django.http import HttpRequest


def address_of(request: HttpRequest) -> str:
    """The address to count by: of IPv6 the /64, which one household or server has to itself.

    It is the other end of the connection. Behind a proxy uvicorn puts the client's there, for the
    proxies that FORWARDED_ALLOW_IPS names: no header is trusted anywhere else.
    """
    address: str = request.META.get("REMOTE_ADDR", "")
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((parsed, 64), strict=False).network_address)
    return address
