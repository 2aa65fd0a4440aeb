"""A process with the service on a Ray cluster of its own: `python -m tests.serving.cluster PORT DOORS ENGINES`."""

import sys

import ray
from ray import serve

from serving.ray_app import app
from serving.wish import Wish

LEASE = 6.0


def main() -> None:
    ray.init(
        num_cpus=2,
        num_gpus=0,
        include_dashboard=False,
        object_store_memory=100 * 2**20,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
    )
    port, doors, engines = map(int, sys.argv[1:])
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    wish = Wish(
        profile="miniature",
        min_replicas=engines,
        max_replicas=engines,
        doors=doors,
        gpus=0,
        cpus=0.5,
        door_cpus=0.1,
        lease=LEASE,
        grace=5,
    )
    serve.run(app(wish))
    print("deployed", flush=True)
    sys.stdin.read()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
