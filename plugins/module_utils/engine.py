# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host's Docker Engine, as far as sessions need it. Every call is bounded, and every failure a GatewayError.

Only the engine's own socket is used: a session on this host is what this host's engine runs.
"""

from __future__ import annotations

import errno
import io
import os
import socket
import tarfile
from functools import partial
from typing import Any, Callable, Mapping, Sequence, TypeVar

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

try:
    import docker
    import docker.errors
    import requests.exceptions

    HAS_DOCKER = True
except ImportError:
    HAS_DOCKER = False

SOCKET = "/var/run/docker.sock"
TIMEOUT = 60
FILE_BYTES = 65536
_LINKS = 5
# Of a file's mode as the engine tells it: the bits of Go's io/fs that are set for anything but a regular file.
_NO_FILE = 0x8F280000

Result = TypeVar("Result")


class Engine:
    """One connection to the engine. Methods that name a container answer None (or do nothing) when it is gone."""

    def __init__(self, path: str = SOCKET, timeout: int = TIMEOUT) -> None:
        if not HAS_DOCKER:
            raise GatewayError(
                "The Python package 'docker' is missing for the Python that Ansible uses on this host. Install it with "
                "'apt-get install python3-docker' and run the same command again; where Ansible uses another Python "
                "than /usr/bin/python3, set ansible_python_interpreter to that one.",
                "python-docker-missing",
            )
        probe_socket(path)
        self._timeout = timeout
        self._client: Any = self._call("connect to the engine", lambda: _client(path, timeout))

    def close(self) -> None:
        self._client.close()

    def containers(self) -> list[dict[str, Any]]:
        """What inspect says of every container, whatever its state."""
        listed = self._call("list the containers", lambda: self._client.containers(all=True))
        inspected = (self.inspect(item["Id"]) for item in listed)
        return [item for item in inspected if item is not None]

    def inspect(self, container: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._call(
            f"inspect the container {container}", lambda: or_none(lambda: self._client.inspect_container(container))
        )
        return found

    def read_file(self, container: str, path: str) -> str | None:
        """The text of a small file in a container, running or not, as its mounts show it; None where there is none."""
        for _link in range(_LINKS):
            found = self._call(f"read a file in the container {container}", partial(self._archive, container, path))
            if found is None:
                return None
            data, link = found
            if data is not None:
                return str(data.decode("utf-8", errors="replace"))
            path = link
        return None

    def _archive(self, container: str, path: str) -> tuple[bytes | None, str] | None:
        """The content of a regular file, or where a link leads; None for all else."""
        answer = or_none(lambda: self._client.get_archive(container, path), statuses=(400, 403, 404, 405, 409, 500))
        if answer is None:
            return None
        chunks, stat = answer
        try:
            if stat.get("linkTarget"):
                return None, str(stat["linkTarget"])
            if int(stat["mode"]) & _NO_FILE or int(stat["size"]) > FILE_BYTES:
                return None
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
                member = archive.extractfile(archive.getmembers()[0])
                return (b"" if member is None else member.read()), ""
        except (tarfile.TarError, IndexError):
            return None
        finally:
            chunks.close()

    def run(self, container: str, command: Sequence[str], user: str) -> int | None:
        """Run a command in a running container to its end; its exit status, None where it could not be run.

        The command sets its own bound. The engine is given no longer than for any other call.
        """
        done = self._execute(container, command, user)
        return None if done is None else done[0]

    def output_of(self, container: str, command: Sequence[str], user: str) -> str | None:
        """What such a command prints on its standard output; None where it failed or could not be run."""
        done = self._execute(container, command, user)
        return None if done is None or done[0] != 0 else done[1].decode("utf-8", "replace")

    def _execute(self, container: str, command: Sequence[str], user: str) -> tuple[int, bytes] | None:
        def run() -> tuple[int, bytes] | None:
            made = self._client.exec_create(container, list(command), stderr=False, user=user)
            output: bytes = self._client.exec_start(made["Id"])
            status = self._client.exec_inspect(made["Id"])["ExitCode"]
            return None if status is None else (int(status), output)

        found: tuple[int, bytes] | None = self._call(
            f"run a command in the container {container}", lambda: or_none(run, statuses=(400, 404, 409, 500))
        )
        return found

    def image_id(self, reference: str) -> str | None:
        found = self._call(
            f"inspect the image {reference}", lambda: or_none(lambda: self._client.inspect_image(reference))
        )
        return None if found is None else str(found["Id"])

    def image_digest(self, reference: str) -> str | None:
        """The digest under which a registry has the image; None for one that was built or loaded here."""
        found = self._call(
            f"inspect the image {reference}", lambda: or_none(lambda: self._client.inspect_image(reference))
        )
        names = (found or {}).get("RepoDigests") or []
        return str(names[0]).partition("@")[2] if names else None

    def never_restart(self, container: str) -> None:
        self._call(
            f"set the restart policy of {container} to 'no'",
            lambda: or_none(
                lambda: self._client.update_container(container, restart_policy={"Name": "no", "MaximumRetryCount": 0})
            ),
        )

    def kill(self, container: str) -> None:
        """Send SIGKILL; no error for one that does not run."""
        self._call(
            f"kill the container {container}",
            lambda: or_none(lambda: self._client.kill(container, signal="SIGKILL"), statuses=(404, 409, 500)),
        )

    def stop(self, container: str, grace: int) -> None:
        """Send the container's stop signal, and SIGKILL after *grace* seconds."""
        self._call(
            f"stop the container {container}",
            lambda: or_none(lambda: self._client.stop(container, timeout=grace)),
        )

    def wait_stopped(self, container: str, seconds: int) -> bool:
        """Wait until the engine says that the container has stopped or is gone; False when it has not in time."""

        def wait() -> bool:
            try:
                self._client.wait(container, timeout=seconds, condition="not-running")
            except docker.errors.NotFound:
                return True
            except (requests.exceptions.ReadTimeout, requests.exceptions.ConnectionError):
                return False
            return True

        return self._call(f"wait for the end of the container {container}", wait)

    def start(self, container: str) -> None:
        self._call(f"start the container {container}", lambda: self._client.start(container))

    def rename(self, container: str, name: str) -> None:
        self._call(f"rename the container {container} to {name}", lambda: self._client.rename(container, name))

    def remove(self, container: str) -> None:
        """Remove a stopped container. Its volumes stay, anonymous ones too."""
        self._call(
            f"remove the container {container}",
            lambda: or_none(lambda: self._client.remove_container(container, v=False, force=False)),
        )

    def create(self, name: str, body: Mapping[str, Any], networks: Mapping[str, Mapping[str, Any]]) -> str:
        """Create a container from a body as the engine's API takes it, joined to *networks* as well; its id."""
        created = self._call(
            f"create the container {name}", lambda: self._client.create_container_from_config(dict(body), name)
        )
        identity = str(created["Id"])
        for network, endpoint in networks.items():
            self._call(
                f"join the container {name} to the network {network}",
                lambda network=network, endpoint=endpoint: self._join(identity, network, endpoint),  # type: ignore[misc]
            )
        return identity

    def _join(self, container: str, network: str, endpoint: Mapping[str, Any]) -> None:
        addresses = endpoint.get("IPAMConfig") or {}
        self._client.connect_container_to_network(
            container,
            network,
            ipv4_address=addresses.get("IPv4Address") or None,
            ipv6_address=addresses.get("IPv6Address") or None,
            aliases=endpoint.get("Aliases") or None,
            links=[tuple(link.split(":", 1)) for link in endpoint.get("Links") or []] or None,
            driver_opt=endpoint.get("DriverOpts") or None,
        )

    def _call(self, what: str, function: Callable[[], Result]) -> Result:
        try:
            return function()
        except docker.errors.APIError as error:
            raise api_error(what, error.status_code or 0, str(error.explanation or "")) from error
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
            raise self._broken(what, error) from error

    def _broken(self, what: str, error: BaseException) -> GatewayError:
        if _timed_out(error):
            return GatewayError(
                f"Docker on this host did not answer within {self._timeout} seconds when asked to {what}. The request may "
                "still be carried out. Look at 'systemctl status docker' and the load of the host, then run the same "
                "command again.",
                "engine-silent",
            )
        if "http+docker" in str(error):
            return GatewayError(
                f"The Python package 'docker' {docker.__version__} on this host does not work with the 'requests' beside "
                "it. Install a pair that fits with 'apt-get install --reinstall python3-docker python3-requests', and "
                "remove copies that pip installed.",
                "python-docker-broken",
            )
        return GatewayError(
            f"The connection to Docker on this host broke when it was asked to {what}. Start the engine with "
            "'systemctl start docker' and run the same command again.",
            "engine-down",
        )


def api_error(what: str, status: int, explanation: str) -> GatewayError:
    """The engine's refusal in our words. *explanation* is only searched for known reasons, never passed on."""
    text = explanation.lower()
    if "port is already allocated" in text or "address already in use" in text:
        return GatewayError(
            f"Docker could not {what}: a port that it publishes is in use on this host. 'ss -ltnp' on the host shows "
            "by what; end that, or choose another port.",
            "port-taken",
        )
    if "no space left" in text:
        return GatewayError(
            f"Docker could not {what}: the disk is full. Free space on the host ('docker system df' shows what Docker "
            "uses), then run the same command again.",
            "disk-full",
        )
    if "no such image" in text:
        return GatewayError(
            f"Docker could not {what}: its image is no longer on this host. Pull it again.", "image-missing"
        )
    if "is already in use by container" in text:
        return GatewayError(
            f"Docker could not {what}: another container has that name. 'docker ps -a' on the host shows it.",
            "name-taken",
        )
    if status == 404:
        return GatewayError(
            f"Docker could not {what}: there is no such container or network on this host any more. Something else "
            "removed it; run the same command again.",
            "container-missing",
        )
    return GatewayError(
        f"Docker refused to {what} (HTTP status {status}). 'journalctl -u docker' on the host has the reason.",
        "engine-refused",
    )


def or_none(function: Callable[[], Any], statuses: Sequence[int] = (404,)) -> Any:
    try:
        return function()
    except docker.errors.APIError as error:
        if error.status_code in statuses:
            return None
        raise


def _timed_out(error: BaseException | None) -> bool:
    """Whether a time-out is among the causes: the SDK wraps the one of its first call."""
    while error is not None:
        if isinstance(error, requests.exceptions.Timeout):
            return True
        error = error.__cause__ or error.__context__
    return False


def _client(path: str, timeout: int) -> Any:
    return docker.APIClient(base_url="unix://" + path, version="auto", timeout=timeout)


def probe_socket(path: str) -> None:
    """Tell an engine that is missing, down or closed to us before the SDK wraps the reason."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect(path)
        except PermissionError as error:
            raise GatewayError(
                f"This task may not use Docker's socket ({path}). Set 'become: true' for the gateway hosts (the "
                "inventory's ansible_become).",
                "not-root",
            ) from error
        except OSError as error:
            missing = error.errno == errno.ENOENT and not any(
                os.path.exists(item) for item in ("/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd")
            )
            raise GatewayError(
                "Docker Engine is not installed on this host. Install it with 'apt-get install docker.io docker-cli "
                "docker-compose python3-docker' (Debian) or 'apt-get install docker.io docker-compose-v2 "
                "python3-docker' (Ubuntu)."
                if missing
                else f"Docker Engine on this host does not answer at {path}. Start it with 'systemctl start docker' "
                "and look at 'journalctl -u docker' if it does not stay up.",
                "engine-missing" if missing else "engine-down",
            ) from error
