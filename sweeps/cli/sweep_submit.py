"""``sigmoidf1 sweep submit``: hand a sweep to a cluster and go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweeps.cli import options
from sweeps.cli.tables import print_json

if TYPE_CHECKING:
    from sweeps.cluster.package import Package
    from sweeps.spec import SweepSpec

EXAMPLE = (
    "Example: sigmoidf1 sweep submit examples/movie-genres.yaml --ray-address http://HOST:8265 "
    "--store postgresql://USER:PASSWORD@HOST/DATABASE"
)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def submit(
    context: typer.Context,
    spec: Annotated[Path, typer.Argument(help="The spec.")],
    ray_address: options.JobServerNeeded,
    store: options.Store = options.DEFAULT_STORE,
    clusters_store: Annotated[
        bool,
        typer.Option(
            "--clusters-store",
            help="Use the store that the cluster's machines name in SIGMOIDF1_STORE; send none.",
        ),
    ] = False,
    set_: options.Overrides = None,
    max_packs: options.MaxPacks = None,
    cpus_per_pack: options.CpusPerPack = 1.0,
    gpus_per_pack: options.GpusPerPack = None,
    ship_code: options.ShipCode = None,
    on_error: options.OnBadInput = None,
    revision: options.Revision = False,
    json: options.Json = False,
) -> None:
    """Hand a sweep to a cluster as a job and return; its driver runs there.

    The spec, the files that it names by relative paths and, from a source tree, this program are
    sent along. What it names by absolute paths must be there on every node of the cluster. The
    store's URL goes as the cluster reaches it, in a file that only the driver reads. Then use
    `sweep status`, `sweep logs` and `sweep stop`.
    """
    from sweeps.cluster.jobs import JobServer, check_address
    from sweeps.cluster.shipping import ships_code
    from sweeps.plan import make_plan
    from sweeps.spec import load_spec

    loaded = load_spec(spec, options.overrides(set_, on_error))
    make_plan(loaded)  # a mistake is told here, not by a job
    check_address(ray_address)
    source = context.get_parameter_source("store")
    named = source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")
    url = None if clusters_store else _reachable(store, ray_address, named=named)
    arguments = [
        *([] if max_packs is None else ["--max-packs", str(max_packs)]),
        *([] if cpus_per_pack == 1.0 else ["--cpus-per-pack", f"{cpus_per_pack:g}"]),
        *([] if gpus_per_pack is None else ["--gpus-per-pack", f"{gpus_per_pack:g}"]),
        *(["--revision"] if revision else []),
    ]
    with_code = ships_code(ship_code)
    server = JobServer(ray_address)
    job, package = server.submit(loaded, arguments, store_url=url, with_code=with_code)
    if json:
        print_json(_as_json(loaded, job, package))
        return
    _print(loaded, job, package, ray_address)


def _reachable(store: str, address: str, *, named: bool) -> str:
    """The store's URL, complete, if a driver on the cluster can use it.

    A job server at a loopback address may be the end of a tunnel: a file of this machine has to be
    meant, and is not what is taken by default.
    """
    from urllib.parse import urlsplit

    from storage.urls import parse_url
    from sweeps.errors import SweepError

    url = parse_url(store)
    here = (urlsplit(address).hostname or "") in _LOOPBACK
    if url.get_backend_name() == "sqlite" and not (here and named):
        own = ", or the file by --store if the cluster is this machine itself" if here else ""
        raise SweepError(
            "a submitted sweep needs a store that the cluster reaches, but got a file of this "
            "machine. Give a PostgreSQL server's URL by --store, or --clusters-store for the one "
            f"that the cluster's machines know{own}."
        )
    return url.render_as_string(hide_password=False)


def _as_json(spec: SweepSpec, job: str, package: Package) -> dict[str, Any]:
    return {
        "sweep": spec.sweep,
        "job": job,
        "sent": package.sent,
        "size_bytes": package.size_bytes,
        "with_code": package.with_code,
        "needed_on_the_nodes": package.shared,
    }


def _print(spec: SweepSpec, job: str, package: Package, address: str) -> None:
    typer.echo(f"{spec.sweep} runs as job {job}.")
    sent = ["the spec", *package.sent]
    if package.with_code:
        sent.append("this program's code")
    typer.echo(f"Sent along: {', '.join(sent)}.")
    if package.shared:
        typer.echo(f"Must be on every node of the cluster: {', '.join(package.shared)}.")
    typer.echo(f"Follow it:  sigmoidf1 sweep logs {spec.sweep} --follow --ray-address {address}")
    typer.echo(f"Ray's own dashboard: {address}")
