"""An HTTP/1.1 front for services of a world: accepted sockets in, ASGI applications behind."""
