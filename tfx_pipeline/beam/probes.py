"""Asks an address what it is; every refusal says which key holds it and what to do."""

import http.client
import json
import os
import shutil
import socket
import urllib.parse
import urllib.request

_SECONDS = 10.0


class EngineError(RuntimeError):
    """An engine that cannot be used, found out before anything is computed."""


def require_listening(key: str, address: str, what: str, remedy: str) -> None:
    """Checks that something accepts connections.

    Args:
      key: of the configuration that holds the address.
      address: `host:port`.
      what: is expected there.
      remedy: what to do where nothing listens.

    Raises:
      EngineError: the name cannot be resolved, nothing listens, or nothing answers within ten seconds.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), _SECONDS).close()
    except socket.gaierror as error:
        raise _refusal(key, what, address, f"the host {host!r} is not known", remedy) from error
    except TimeoutError as error:
        raise _refusal(key, what, address, f"no answer within {_SECONDS:.0f} s", remedy) from error
    except (OSError, OverflowError) as error:
        raise _refusal(key, what, address, f"no connection ({error})", remedy) from error


def require_job_server(key: str, address: str, remedy: str) -> None:
    """Checks that a Beam job server answers at an address.

    Raises:
      EngineError: nothing listens, or what answers does not speak Beam's Job API.
    """
    what = "the address of a Beam job server"
    require_listening(key, address, what, remedy)
    # gRPC and Beam take seconds to import.
    import grpc
    from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        try:
            beam_job_api_pb2_grpc.JobServiceStub(channel).DescribePipelineOptions(
                beam_job_api_pb2.DescribePipelineOptionsRequest(), timeout=_SECONDS
            )
        except grpc.RpcError as error:
            reason = f"something else answers there ({error.code().name})"
            raise _refusal(key, what, address, reason, remedy) from error


def require_json(key: str, url: str, path: str, field: str, what: str, remedy: str) -> str:
    """Returns one field of a JSON object that a REST API answers with.

    Args:
      key: of the configuration that holds the URL.
      url: `http://host:port`.
      path: to ask for.
      field: that tells the API from any other.
      what: is expected there.
      remedy: what to do where it is not there.

    Raises:
      EngineError: nothing listens, or the answer is no JSON object with that field.
    """
    parts = urllib.parse.urlsplit(url)
    require_listening(key, parts.netloc, what, remedy)
    try:
        with urllib.request.urlopen(url + path, timeout=_SECONDS) as response:
            answer = json.load(response)
        return str(answer[field])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        reason = f"something else answers there ({type(error).__name__}: {error})"
        raise _refusal(key, what, url, reason, remedy) from error


def require_java(key: str, value: str) -> None:
    """Checks that Java is there to start a job server with.

    Raises:
      EngineError: it is not on the PATH.
    """
    if shutil.which("java") is None:
        raise EngineError(
            f"`{key}` must name a job server that stands already where `java` is not on the PATH. Received: {value!r}. "
            "Install Java 8, 11 or 17, or start the job server elsewhere and name it."
        )


def require_jar(key: str, jar: str | None) -> None:
    """Checks that a jar that is given as a local path is there; a URL is left to Beam.

    Raises:
      EngineError: there is no such file.
    """
    if jar is not None and not urllib.parse.urlsplit(jar).scheme and not os.path.isfile(jar):
        raise EngineError(
            f"`{key}` must name a file that exists, or a URL. Received: {jar!r}. "
            "Download Beam's job server jar from Maven Central, or correct the key."
        )


def _refusal(key: str, what: str, value: str, reason: str, remedy: str) -> EngineError:
    return EngineError(f"`{key}` must be {what}. Received: {value!r}: {reason}. {remedy}")
