"""A Ray cluster on this machine's loopback address: a head and two workers of a processor each.

Usage: python ray_cluster.py FOLDER. Prints the address, and ends the cluster when stdin is closed.
FOLDER is for Ray's files; sockets lie in it, so its name must be short.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys

WORKERS = 2
SMALL = {"object_store_memory": 80_000_000, "include_dashboard": False}
# A node gives its agents some seconds to say on which port they listen, which on a busy machine is
# too little; it need not wait where it has chosen the ports.
PORTS = (
    "metrics_agent_port",
    "metrics_export_port",
    "runtime_env_agent_port",
    "dashboard_agent_listen_port",
)
VARIABLES = {
    # Ray takes the machine's address on its network otherwise, even where it is told 127.0.0.1.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_agent_register_timeout_ms": "120000",
}


def main(folder: str) -> None:
    """Hold the cluster up."""
    os.environ.update(VARIABLES)
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "temp_dir": folder, **SMALL, **ports()}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(WORKERS):
            cluster.add_node(num_cpus=1, **SMALL, **ports())
        print(cluster.address, flush=True)
        sys.stdin.read()
    finally:
        cluster.shutdown()


def ports() -> dict[str, int]:
    """Free ports, by whose they are."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in PORTS]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        found = [int(each.getsockname()[1]) for each in sockets]
    return dict(zip(PORTS, found, strict=True))


if __name__ == "__main__":
    main(sys.argv[1])
