"""`tandem api`: the control plane alone, for a stack put together elsewhere."""

from __future__ import annotations

from service import logs
from service.api.server import serve
from service.cli.server_options import Home, Host, Port, settings_with


def api(host: Host = None, port: Port = None, home: Home = None) -> None:
    """Run the control plane alone.

    It finds Ray at TANDEM_RAY_URL and the classification server at TANDEM_SERVING_URL.
    """
    logs.configure("json")
    serve(settings_with(host, port, home))
