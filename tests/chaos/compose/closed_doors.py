"""What of the cluster answers from outside its network, and what Ray's head says to who has no token."""

from __future__ import annotations

import socket
from typing import Final

import psutil
from cluster import Cluster, docker
from container_faults import Finding

PORTS: Final = (5432, 6379, 8000, 8001, 8080, 8265, 10001, 52365)
_KNOCK: Final = """
import socket, sys
for address in sys.argv[1].split(","):
    for port in map(int, sys.argv[2].split(",")):
        try:
            socket.create_connection((address, port), timeout=0.5).close()
        except OSError:
            continue
        print(f"{address}:{port}")
"""
_ASK_RAY: Final = """
import os, sys, urllib.error, urllib.request
request = urllib.request.Request("http://ray-head:8265/api/jobs/")
if sys.argv[1] == "with":
    request.add_header("Authorization", "Bearer " + os.environ["RAY_AUTH_TOKEN"])
try:
    print(urllib.request.urlopen(request, timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


def nothing_else_answers(cluster: Cluster) -> Finding:
    """From a container of another network, and at this machine's addresses but loopback's."""
    containers = {name: cluster.look(name) for name in cluster.stack.states()}
    addresses = [
        each["NetworkSettings"]["Networks"][cluster.network]["IPAddress"] for each in containers.values()
    ]
    image = containers["api_1"]["Config"]["Image"]
    ports = ",".join(map(str, PORTS))
    from_elsewhere = docker(
        "run",
        "--rm",
        "--no-healthcheck",
        "--entrypoint=python3",
        image,
        "-c",
        _KNOCK,
        ",".join(addresses),
        ports,
    ).split()
    published = sorted(
        f"{binding['HostIp']}:{binding['HostPort']}"
        for each in containers.values()
        for bindings in each["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    )
    port = cluster.stack.url.rpartition(":")[2]
    beyond_loopback = [
        address
        for address in (entry.address for entries in psutil.net_if_addrs().values() for entry in entries)
        if address.count(".") == 3 and not address.startswith("127.") and _answers(address, port)
    ]
    held = not from_elsewhere and not beyond_loopback and published == [f"127.0.0.1:{port}"]
    return Finding(
        held,
        f"published {', '.join(published)}; {len(addresses)} containers, {len(PORTS)} ports each:"
        f" {len(from_elsewhere)} answered {from_elsewhere or ''}{beyond_loopback or ''}".rstrip(),
    )


def ray_wants_its_token(cluster: Cluster) -> Finding:
    without = cluster.run_in("api_1", "python3", "-c", _ASK_RAY, "without").strip()
    with_token = cluster.run_in("api_1", "python3", "-c", _ASK_RAY, "with").strip()
    return Finding(
        without in {"401", "403"} and with_token == "200", f"without {without}, with the token {with_token}"
    )


def _answers(address: str, port: str) -> bool:
    try:
        socket.create_connection((address, int(port)), timeout=2).close()
    except OSError:
        return False
    return True
