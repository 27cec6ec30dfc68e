"""The Ray cluster of `THAW_EXECUTOR=ray`: at `RAY_ADDRESS`, or one that starts with the app.

Ray is imported only when the cluster is used.

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
# Of a cluster on this computer: a run's data and the weights of a large backbone. Ray's default is
# 30 % of the memory. What does not fit goes to the disk.
OBJECT_STORE_BYTES = 300_000_000
TEMP_PREFIX = "thaw-ray-"


class ClusterUnavailable(RuntimeError):
    """The cluster cannot be used; the text says why, and what to do next."""


def is_ray_enabled() -> bool:
    """Return whether a Ray cluster executes the runs. Raises `BadSetting`."""
    executor_name = get_settings().executor
    if executor_name == "ray" and find_spec("ray") is None:
        raise BadSetting(
            "THAW_EXECUTOR is ray, but Ray is not installed here. Install it: "
            'pip install "thaw[ray]". Or leave THAW_EXECUTOR out: then this computer trains.'
        )
    if executor_name == "ray":  # a bad setting is an error now, not in the first run
        get_resource_request([])
    return executor_name == "ray"


def connect(slots: int) -> None:
    """Join the cluster, or start one for `slots` runs at once. Raises `ClusterUnavailable`.

    To be called by the main thread, with which the started cluster ends.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # no usage statistics
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
    # Else Ray prints a page for each node that dies, whatever `log_to_driver` says.
    if hasattr(ray._private.worker, "print_to_stdstream"):
        ray._private.worker.print_to_stdstream = lambda *_, **__: None
    try:
        ray.init(**how)
    except Exception as error:  # Ray raises many kinds
        ray.shutdown()
        raise ClusterUnavailable(_describe_failure(address, error)) from error


def build_runtime_env() -> dict[str, Any]:
    """Return the nodes' environment: Thaw's code as it is here, so that both sides agree.

    Its dependencies (`pip install thaw`) must be installed on them.
    """
    return {
        "py_modules": [str(ROOT / name) for name in ("guide", "trainers")],
        "excludes": ["**/__pycache__/**"],
        # As for a worker: see trainers/__main__.py and trainers/workers/supervisor.py.
        "env_vars": {"GOMP_SPINCOUNT": "1000", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
    }


def _check_reachable(address: str) -> None:
    """Raise `ClusterUnavailable` if nothing answers: Ray waits a minute and ends the process."""
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
        return (
            f"Ray could not be started on this computer ({why}). Fix it, or leave "
            "THAW_EXECUTOR out."
        )
    return (
        f"The Ray cluster at RAY_ADDRESS={address} cannot be used ({why}). This computer must be a "
        f"node of it: ray start --address={address} --num-cpus=0. All nodes need the same "
        f"versions: here Python {'.'.join(map(str, sys.version_info[:3]))} and Ray "
        f"{_ray_version()}; and the same RAY_AUTH_MODE and RAY_AUTH_TOKEN, where the cluster has a "
        "token."
    )


def _ray_version() -> str:
    import ray

    return ray.__version__


def _make_temp_dir() -> str | None:
    """Create a private folder for Ray, since parts of visitors' data may be in it for a moment.

    Also deletes the folders of killed processes; `remove_temp_dirs` deletes this one.
    """
    if sys.platform != "linux":  # its path would be too long for Ray's sockets
        return None
    for left in Path(tempfile.gettempdir()).glob(f"{TEMP_PREFIX}*"):
        pid = left.name.removeprefix(TEMP_PREFIX).partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{TEMP_PREFIX}{os.getpid()}-")


def remove_temp_dirs() -> None:
    """Delete the folders that `connect` created, after the end of the cluster."""
    for mine in Path(tempfile.gettempdir()).glob(f"{TEMP_PREFIX}{os.getpid()}-*"):
        shutil.rmtree(mine, ignore_errors=True)


class ResourceRequest(NamedTuple):
    """What a run reserves on a node."""

    cpus: float
    gpus: float

    def count_fitting(self, nodes: Iterable[dict[str, float]]) -> int:
        """Return how many such runs fit on nodes with these resources at once."""
        count = 0
        for node in nodes:
            shares = [node.get("CPU", 0.0) / self.cpus]
            if self.gpus:
                shares.append(node.get("GPU", 0.0) / self.gpus)
            count += int(min(shares))  # not //: 1.0 // 0.2 is 4
        return count


def list_alive_nodes() -> dict[str, dict[str, float]]:
    """Return the resources of each living node by its id: {"CPU": …, "GPU": …, …}."""
    import ray

    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def get_resource_request(nodes: Collection[dict[str, float]]) -> ResourceRequest:
    """Return what a run reserves on a cluster of these nodes. Raises `BadSetting`."""
    cores = max((node.get("CPU", 0.0) for node in nodes), default=0.0)
    cpus, gpus = get_settings().ray_cpus, get_settings().ray_gpus
    if gpus > 1 and gpus % 1:
        raise BadSetting(
            f"THAW_RAY_GPUS is {gpus:g}. A run has a part of one graphics card, such as 0.5, or "
            "whole ones: set it to a number below 1, or to a whole one."
        )
    cards = any(node.get("GPU", 0.0) for node in nodes)
    return ResourceRequest(max(1.0, min(cpus, cores)), gpus if cards else 0.0)
