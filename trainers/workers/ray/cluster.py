"""The Ray cluster of `THAW_EXECUTOR=ray`: the one at `RAY_ADDRESS`, or a cluster on this computer
that ends with the app. Ray is imported only when the cluster is used.

`RAY_AUTH_MODE=token` and `RAY_AUTH_TOKEN` are Ray's own: the secret that its nodes share.
"""

import atexit
import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Collection, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from trainers.system.settings import BadSetting, get_settings

ROOT = Path(__file__).parents[3]
CONNECT_TIMEOUT_SECONDS = 5.0
# Of a cluster on this computer; what does not fit goes to the disk. Ray takes 30 % of the memory
# by itself. Ours: a run's own data and the weights of a large backbone.
OBJECT_STORE_BYTES = 300_000_000
TEMP_PREFIX = "thaw-ray-"


class ClusterUnavailable(RuntimeError):
    """The cluster cannot be used; the text says why, and what to do next."""


def is_ray_enabled() -> bool:
    """Whether runs are made on a Ray cluster. Raises `BadSetting`."""
    engine = get_settings().executor
    if engine == "ray" and find_spec("ray") is None:
        raise BadSetting(
            "THAW_EXECUTOR is ray, but Ray is not installed here. Install it: "
            'pip install "thaw[ray]". Or leave THAW_EXECUTOR out: then this computer trains.'
        )
    if engine == "ray":  # now, not when the first run asks for them
        get_resource_request([])
    return engine == "ray"


def connect(slots: int) -> None:
    """Joins the cluster, or starts one for `slots` runs at once. To be called by the main thread:
    what it starts ends with that. Raises `NoCluster`."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is told to anyone
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray warns without
    address = get_settings().ray_address
    if address in ("", "local"):
        atexit.register(remove_temp_dirs)  # before Ray is imported: so it comes after Ray's own
        # Nobody else on this computer may use it. Ray would leave the token in the home folder of
        # its user, which a service may not write.
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray 2.52 and newer
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    if address in ("", "local") or address.startswith(("127.", "localhost:")):
        # Named for what else it does; here: what is of this computer alone stays on its loopback.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    import ray

    how: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    how |= {"namespace": "thaw", "runtime_env": build_runtime_env()}
    if address in ("", "local"):
        cores = max(1, (os.cpu_count() or 1) // slots)
        os.environ.setdefault("THAW_RAY_CPUS", str(cores))
        how |= {"address": "local", "num_cpus": slots * cores, "include_dashboard": False}
        how |= {"object_store_memory": OBJECT_STORE_BYTES, "_temp_dir": _make_temp_dir()}
        how["_node_ip_address"] = "127.0.0.1"
    else:
        _check_reachable(address)
        how["address"] = address
    # A page of its log for each node that dies: `log_to_driver` is not for that.
    if hasattr(ray._private.worker, "print_to_stdstream"):
        ray._private.worker.print_to_stdstream = lambda *_, **__: None
    try:
        ray.init(**how)
    except Exception as error:  # Ray's own are of many kinds
        ray.shutdown()
        raise ClusterUnavailable(_describe_failure(address, error)) from error


def build_runtime_env() -> dict[str, Any]:
    """What the nodes get of Thaw: its own code, just as it is here, so that both sides always
    agree. What it needs (`pip install thaw`, or its dependencies) must be installed on them."""
    return {
        "py_modules": [str(ROOT / name) for name in ("guide", "trainers")],
        "excludes": ["**/__pycache__/**"],
        # As of a worker here: trainers/__main__.py and trainers/workers/supervisor.py say why.
        "env_vars": {"GOMP_SPINCOUNT": "1000", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
    }


def _check_reachable(address: str) -> None:
    """Ray would wait for a minute, and then end this process."""
    if "://" in address:
        raise ClusterUnavailable(
            f"RAY_ADDRESS is {address}, but Thaw does not speak through Ray's client. Make this "
            "computer a node of the cluster (ray start --address=HOST:6379 --num-cpus=0), and set "
            "RAY_ADDRESS to HOST:6379."
        )
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_SECONDS):
            pass
    except (OSError, ValueError, OverflowError) as error:
        raise ClusterUnavailable(
            f"No Ray cluster answers at RAY_ADDRESS={address} ({error}). Start it (ray start "
            "--head), or set RAY_ADDRESS to host:port of the one that runs, or leave it out: then "
            "Thaw starts one on this computer."
        ) from None


def _describe_failure(address: str, error: Exception) -> str:
    why = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
    if address in ("", "local"):
        return f"Ray could not be started on this computer ({why}). Fix it, or leave THAW_EXECUTOR out."
    return (
        f"The Ray cluster at RAY_ADDRESS={address} cannot be used ({why}). This computer must be a "
        f"node of it: ray start --address={address} --num-cpus=0. All nodes need the same "
        f"versions: here Python {'.'.join(map(str, sys.version_info[:3]))} and Ray {_ray_version()}; and "
        "the same RAY_AUTH_MODE and RAY_AUTH_TOKEN, where the cluster has a token."
    )


def _ray_version() -> str:
    import ray

    return ray.__version__


def _make_temp_dir() -> str | None:
    """A folder for nobody else: parts of a visitor's data may lie in it for a moment. Goes with
    the cluster (`clear_up`); that of a process that was killed, here."""
    if sys.platform != "linux":  # its path would be too long for Ray's sockets
        return None
    for left in Path(tempfile.gettempdir()).glob(f"{TEMP_PREFIX}*"):
        pid = left.name.removeprefix(TEMP_PREFIX).partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{TEMP_PREFIX}{os.getpid()}-")


def remove_temp_dirs() -> None:
    """Removes what `connect` made on the disk, once the cluster is no more."""
    for mine in Path(tempfile.gettempdir()).glob(f"{TEMP_PREFIX}{os.getpid()}-*"):
        shutil.rmtree(mine, ignore_errors=True)


class ResourceRequest(NamedTuple):
    """What a run asks the cluster for."""

    cpus: float
    gpus: float

    def count_fitting(self, nodes: Iterable[dict[str, float]]) -> int:
        """How many such runs the nodes, given by their resources, can make at once."""
        count = 0
        for node in nodes:
            shares = [node.get("CPU", 0.0) / self.cpus]
            if self.gpus:
                shares.append(node.get("GPU", 0.0) / self.gpus)
            count += int(min(shares))  # not //: 1.0 // 0.2 is 4
        return count


def list_alive_nodes() -> dict[str, dict[str, float]]:
    """What each node has that lives, by Ray's id of it: {"CPU": …, "GPU": …, …}."""
    import ray

    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def get_resource_request(nodes: Collection[dict[str, float]]) -> ResourceRequest:
    """What a run asks of a cluster of these nodes. Raises `BadSetting`."""
    cores = max((node.get("CPU", 0.0) for node in nodes), default=0.0)
    cpus, gpus = get_settings().ray_cpus, get_settings().ray_gpus
    if gpus > 1 and gpus % 1:
        raise BadSetting(
            f"THAW_RAY_GPUS is {gpus:g}. A run has a part of one graphics card, such as 0.5, or "
            "whole ones: set it to a number below 1, or to a whole one."
        )
    cards = any(node.get("GPU", 0.0) for node in nodes)
    return ResourceRequest(max(1.0, min(cpus, cores)), gpus if cards else 0.0)
