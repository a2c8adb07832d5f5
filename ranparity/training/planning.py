"""Makes a plan of the command line: everything is checked before anything is written.

No framework is loaded here, and NumPy only when there is data to read.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranparity import data
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.training import backends, launching, options, recipe

if TYPE_CHECKING:
    from ranparity.data.dataset import Dataset
    from ranparity.training.plan import Plan

COUNTS = ("checkpoint_every", "twin", "accumulate", "devices")
MODEL, DATA, SEED = "attention56-cifar", "digits", 0


def plan(
    args: argparse.Namespace, folder: Path, earlier: dict[str, Any] | None
) -> tuple[Plan, list[str]]:
    """Check the arguments against one another; nothing is written and no framework is loaded.

    Args:
        args: The command line.
        folder: What `place_of` gave: the run directory,
        earlier: and the `run.json` of the run that goes on.

    Returns:
        What to do, and lines that say so.

    Raises:
        InputError: They do not make a run.
    """
    return _continued(args, folder, earlier) if earlier else _new(args, folder)


def place_of(args: argparse.Namespace) -> tuple[Path, dict[str, Any] | None]:
    """Give the run directory, and the `run.json` of the run in it that is to go on.

    Raises:
        InputError: The options contradict one another, or the folder cannot be used.
    """
    from ranparity.training.directory import check_folder, read_run

    _check_counts(args)
    if args.resume is not None and args.overwrite:
        raise InputError("--resume and --overwrite: expected one of them: go on, or start again")
    if args.resume:
        if args.out is not None and args.out != Path(args.resume):
            raise InputError("--resume RUN goes on in that folder: leave --out out")
        return Path(args.resume), read_run(Path(args.resume))
    folder = args.out or _default_folder(args)
    going_on = args.resume is not None
    if check_folder(folder, allowed=args.overwrite or going_on) and going_on:
        return folder, read_run(folder)
    return folder, None


def _check_counts(args: argparse.Namespace) -> None:
    """Raise `InputError` unless each number of something is one, where it is given."""
    for name in COUNTS:
        value = getattr(args, name)
        if value is not None and value < 1:
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option}: expected 1 or more. Received: {value}")


def _default_folder(args: argparse.Namespace) -> Path:
    """Give the folder of a run for which none is named."""
    model, seed = zoo.entry(args.model or MODEL).name, args.seed or SEED
    backend, _ = backends.choose(args.backend, os.environ)
    twin = f"-twin{args.twin}" if args.twin else ""
    return Path("runs", f"{model}-{data.label(args.data or DATA)}-{backend}-seed{seed}{twin}")


def _new(args: argparse.Namespace, folder: Path) -> tuple[Plan, list[str]]:
    """Plan a run from its first step."""
    from ranparity.data.tape import Tape
    from ranparity.training import weights
    from ranparity.training.plan import check_parts, check_stages

    entry = zoo.entry(args.model or MODEL)
    tape = Tape(SEED if args.seed is None else args.seed)
    backend, reason = backends.choose(args.backend, os.environ)
    if args.recipe:  # is there one, for this network? before the data are read
        check_stages(entry, options.overridden(recipe.named(args.recipe), args))
    given = weights.find(args.weights) if args.weights else None
    dataset = _loaded(args.data or DATA, entry, partial=args.partial, show=not args.quiet)
    name, why = args.recipe, "--recipe asks for it"
    if not name:
        name, why = recipe.default(entry.name, dataset.name)
    how = options.overridden(recipe.named(name), args)
    check_stages(entry, how)
    check_parts(how, args.accumulate or 1, _devices(args, backend))
    made = _plan(
        args,
        entry=entry,
        recipe=how,
        dataset=dataset,
        tape=tape,
        precision=args.precision or backends.PRECISIONS[0],
        backend=backend,
        folder=folder,
        weights=given,
        place=_place(args.data or DATA, args.checkpoint_every, args.weights, args.device),
        checkpoint_every=args.checkpoint_every,
        overwrite=args.overwrite,
        remat=args.remat,
        device=args.device or backends.AUTO,
        tf32=args.tf32,
        accumulate=args.accumulate or 1,
        devices=_devices(args, backend),
        twin=args.twin or 0,
    )
    lines = [
        f"{entry.name} on {dataset.source}: {made.steps} steps of {_sizes(how)} images, "
        f"seed {tape.seed}",
        *_twin_line(made),
        *_parts_line(made),
        f"recipe {name} ({why})",
        *_stage_lines(made),
        f"backend {backend} ({reason}){_on(made)}",
        f"record in {folder}",
    ]
    return made, lines


def _twin_line(made: Plan) -> list[str]:
    """Say what a twin is; nothing of a run that is none."""
    if not made.twin:
        return []
    return [f"twin {made.twin}: each trained weight begins one unit in the last place off"]


def _parts_line(made: Plan) -> list[str]:
    """Say what a divided batch means; nothing of one that is not."""
    if made.accumulate == 1:
        return []
    return [f"each batch in {made.accumulate} parts: batch statistics are those of a part"]


def _devices(args: argparse.Namespace, backend: str) -> int:
    """Give how many devices compute together: as many as are asked for, or as a launcher says."""
    launch = launching.of(backend, os.environ)
    return launch.devices(args.devices) if launch else args.devices or 1


def _on(made: Plan) -> str:
    """Say on how many devices; nothing of one."""
    return f", on {made.devices} devices" if made.devices > 1 else ""


def _stage_lines(made: Plan) -> list[str]:
    """Say what each stage trains, where there is more than one, and how images are enlarged."""
    lines = []
    if enlarged := made.dataset.details.get("enlarged"):
        sizes = ["x".join(map(str, enlarged[end])) for end in ("from", "to")]
        lines.append(f"images enlarged from {' to '.join(sizes)}")
    if len(made.segments) > 1:
        lines += [
            f"stage {segment.stage.name}: part {segment.stage.part}, {segment.steps} steps"
            for segment in made.segments
        ]
    return lines


def _continued(
    args: argparse.Namespace, folder: Path, earlier: dict[str, Any]
) -> tuple[Plan, list[str]]:
    """Plan to go on with a run as it was begun."""
    from ranparity.data.tape import Tape
    from ranparity.training import directory, weights
    from ranparity.training.plan import check_parts, check_stages

    directory.check_run(folder, earlier)
    place = directory.read_place(folder)
    begun = recipe.from_json(earlier["recipe"], f"{folder / directory.RUN}: recipe")
    backend, reason = _backend_of(args, earlier["backend"])
    for name in ("model", "seed", "precision"):
        _same(f"--{name}", getattr(args, name), earlier[name], folder)
    _same("--recipe", args.recipe, begun.name, folder)
    for option in ("remat", "tf32"):
        if getattr(args, option) and not earlier.get(option, False):
            raise InputError(f"--{option}: the run in {folder} began without it: leave it out")
    accumulate = directory.parts_of(earlier)
    _same("--accumulate", args.accumulate, accumulate, folder)
    check_parts(begun, accumulate, _devices(args, backend))
    twin = earlier.get("twin", 0)
    if args.twin and args.twin != twin:
        began = f"as twin {twin}" if twin else "as no twin"
        raise InputError(f"--twin: the run in {folder} began {began}: leave it out")
    if args.weights and "starting_weights" not in earlier:
        raise InputError(
            f"--weights: the run in {folder} began with weights from the tape: leave it out"
        )
    if options.overridden(begun, args) != begun:
        raise InputError(
            f"--resume {folder}: a run goes on with the numbers that it began with: leave the "
            "options out that change its recipe"
        )
    entry = zoo.entry(earlier["model"])
    check_stages(entry, begun)
    spec = args.data or place.get("data") or _known(earlier["data"], folder)
    partial, digest = earlier["data"]["partial"], earlier["data"]["digest"]
    dataset = _loaded(spec, entry, partial=partial, show=not args.quiet)
    if dataset.digest != digest:
        raise InputError(
            f"--data {spec}: expected the data that the run began with, of digest {digest[:12]}. "
            f"Received: {dataset.digest[:12]}"
        )
    every = args.checkpoint_every or place.get("checkpoint_every")
    device = args.device or place.get("device")
    made = _plan(
        args,
        entry=entry,
        recipe=begun,
        dataset=dataset,
        tape=Tape(earlier["seed"]),
        precision=earlier["precision"],
        backend=backend,
        folder=folder,
        weights=weights.find(args.weights) if args.weights else None,
        place=_place(spec, every, args.weights or place.get("weights"), device),
        checkpoint_every=every,
        earlier=earlier,
        remat=earlier.get("remat", False),
        device=device or backends.AUTO,
        tf32=earlier.get("tf32", False),
        accumulate=accumulate,
        devices=_devices(args, backend),
        twin=twin,
    )
    return made, [f"going on with {folder}", f"backend {backend} ({reason}){_on(made)}"]


def _plan(args: argparse.Namespace, **parts: Any) -> Plan:
    """Put a plan together from what is checked, and check that its parts fit."""
    from ranparity.data import normalisation
    from ranparity.training.directory import NORMALISATION
    from ranparity.training.plan import Plan, normalisation_of

    kind = normalisation_of(parts["recipe"])
    if earlier := parts.get("earlier"):
        path = parts["folder"] / NORMALISATION
        fitted = normalisation.load(path)
        digest = earlier["data"]["normalisation"]["digest"]
        if fitted.digest != digest:
            raise InputError(
                f"{path}: expected the one that the run began with, of digest {digest[:12]}. "
                f"Received: {fitted.digest[:12]}"
            )
    else:
        fitted = normalisation.fit(kind, parts["dataset"], show=not args.quiet)
    made = Plan(**parts, normalisation=fitted, tensorboard=args.tensorboard)
    _ = made.segments  # whose batches are checked against the data
    return made


def _loaded(spec: str, entry: zoo.Entry, *, partial: bool, show: bool) -> Dataset:
    """Load data for a network."""
    from ranparity.training.plan import check_fit

    dataset = data.load(spec, image_size=entry.input_shape[0], partial=partial, show=show)
    check_fit(entry, dataset)
    return dataset


def _known(described: dict[str, Any], folder: Path) -> str:
    """Give the data of a run that comes from another machine."""
    if described["source"] != described["name"]:
        raise InputError(
            f"--resume {folder}: the run began on {described['source']}: say with --data where "
            "this machine has it"
        )
    return str(described["name"])


def _backend_of(args: argparse.Namespace, earlier: str) -> tuple[str, str]:
    """Decide on the backend of a run that goes on."""
    if args.backend or os.environ.get("KERAS_BACKEND"):
        backend, reason = backends.choose(args.backend, os.environ)
    else:
        backend, _ = backends.choose(earlier, {}, "the run")
        reason = "that of the run; --backend or KERAS_BACKEND sets another"
    return backend, reason if backend == earlier else f"{reason}; until now {earlier}"


def _same(option: str, given: Any, earlier: Any, folder: Path) -> None:
    if given is not None and given != earlier:
        raise InputError(
            f"{option}: expected {earlier}, which the run in {folder} began with. Received: {given}"
        )


def _place(
    spec: str, checkpoint_every: int | None, weights: str | Path | None, device: str | None
) -> dict[str, Any]:
    """Give what `place.json` holds: where data and weights are, from any working folder."""
    given = {"weights": str(Path(weights).absolute())} if weights else {}
    given |= {"device": device} if device else {}
    return {"data": data.located(spec), "checkpoint_every": checkpoint_every, **given}


def _sizes(how: recipe.Recipe) -> str:
    """Give the batch sizes of the stages."""
    return " and ".join(dict.fromkeys(str(stage.batch_size) for stage in how.stages))
