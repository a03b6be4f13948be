"""Commands about alarm quality: simulate, evaluate."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.commands.common import BAD_INPUT, config_option, configuration, with_example

if TYPE_CHECKING:
    from worker.quality.answers import AnswerModel
    from worker.quality.cohort import PatientTruth
    from worker.quality.policies import StayOutcome
    from worker.quality.stream import Stay

FILE = click.Path(dir_okay=False, path_type=Path)


@with_example("cartwatch simulate --patients 100 --days 14 --seed 1")
@click.command(short_help="Simulate patients whose truth is known.")
@click.option("--patients", type=click.IntRange(1), default=100, show_default=True)
@click.option("--days", type=click.IntRange(1, 60), default=14, show_default=True, help="From the day of infusion on.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same bytes.")
@click.option("--product", default="cohort", show_default=True, help="axi-cel, tisa-cel, ... or the mixed cohort.")
@click.option("--charting", default="ward", show_default=True, help="ward, monitor or wearable.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), default=Path("output"), show_default=True)
@click.option("--assumptions", is_flag=True, help="Print what the simulation assumes, with sources, and stop.")
def simulate(patients: int, days: int, seed: int, product: str, charting: str, output: Path, assumptions: bool) -> None:
    """Simulate a cohort: OUTPUT/cohort.ndjson.gz holds native messages, OUTPUT/truth.ndjson the truth beside them.

    The truth is lived first, minute by minute. Then nurses and devices measure it, with artefacts, late, corrected and
    twice. Nothing in it is a real patient.
    """
    from worker.quality.assumptions import PRODUCTS
    from worker.quality.assumptions import assumptions as table
    from worker.quality.cohort import Plan
    from worker.quality.evaluation import Simulate, on_all_cores
    from worker.quality.sampling import CHARTINGS
    from worker.quality.stream import written

    if assumptions:
        for row in table():
            click.echo(f"{row.section}.{row.name}: {row.value}\n    {row.source}")
        return
    how = next((one for one in CHARTINGS if one == charting), None)
    if how is None or product not in PRODUCTS:
        raise click.UsageError(f"--product is one of {', '.join(PRODUCTS)}; --charting of {', '.join(CHARTINGS)}")
    output.mkdir(parents=True, exist_ok=True)
    work = on_all_cores(Simulate(Plan(product, how, days, seed)), range(patients))
    count = 0
    with (
        written(output / "cohort.ndjson.gz") as stream,
        (output / "truth.ndjson").open("wb") as truth,
        click.progressbar(work, length=patients, label="simulated", file=sys.stderr) as simulated,
    ):
        for one in simulated:
            stream.writelines(line + b"\n" for line in one.lines)
            truth.write(one.truth + b"\n")
            count += len(one.lines)
    click.echo(f"{patients} patients, {count} messages: {output / 'cohort.ndjson.gz'}, {output / 'truth.ndjson'}")


@with_example(
    "cartwatch evaluate output/cohort.ndjson.gz --truth output/truth.ndjson",
    "cartwatch evaluate own.ndjson --answer 'lognormal 3 min, 10 % never, nights x 2'",
)
@click.command(short_help="Measure what the rules page on a stream.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--truth", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="As `simulate` writes it.")
@click.option("--answer", default="lognormal 3 min, 10 % never", show_default=True, help="How people answer pages.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the answers.")
@click.option("--comparators/--no-comparators", default=True, show_default=True, help="Naive thresholds, NEWS2, ...")
@click.option("--charted-by-hand", multiple=True, metavar="SOURCE", help="A person charts what this source measured.")
@click.option("--json", "json_file", type=FILE, help="Write every measure as JSON.")
@config_option
def evaluate(
    file: Path,
    truth: Path | None,
    answer: str,
    seed: int,
    comparators: bool,
    charted_by_hand: tuple[str, ...],
    json_file: Path | None,
    config_dir: Path | None,
) -> None:
    """Measure burden, and with the truth also sensitivity, delay and ground, of the rules and of simpler ones.

    FILE holds native messages, one JSON object a line, also gzip. It is evaluated in this process: nobody is paged.
    """
    import msgspec

    from worker.quality.evaluation import Settings, measured, read_truths
    from worker.quality.stream import read_stays
    from worker.quality.table import tables

    site = configuration(config_dir)
    settings = Settings(config_dir, _answers(answer), seed, comparators, charted_by_hand)
    try:
        truths: dict[str, PatientTruth] = read_truths(truth) if truth is not None else {}
    except msgspec.DecodeError as error:
        raise click.ClickException(f"{truth}: not as `cartwatch simulate` writes it: {error}") from error
    outcomes = _outcomes(read_stays(file), settings)
    if not outcomes:
        raise click.ClickException(f"{file}: no message of any patient")
    found = measured(outcomes, truths, site)
    days = sum(one.burden.patient_days for one in list(found.values())[:1])
    click.echo(f"{len(outcomes)} stays, {days:.1f} patient-days, {sum(one.messages for one in outcomes)} messages\n")
    click.echo("\n\n".join(tables(found)))
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    if unread := sum(one.unread for one in outcomes):
        click.echo(f"{unread} line(s) are no message", err=True)
        raise click.exceptions.Exit(BAD_INPUT)


def _answers(text: str) -> "AnswerModel":
    from worker.quality.answers import parse_answer

    try:
        return parse_answer(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--answer") from error


def _outcomes(stays: "Sequence[Stay]", settings: object) -> "list[StayOutcome]":
    from worker.quality.evaluation import Evaluate, Settings, on_all_cores

    assert isinstance(settings, Settings)
    work = on_all_cores(Evaluate(settings), stays)
    with click.progressbar(work, length=len(stays), label="evaluated", file=sys.stderr) as bar:
        return [one for one in bar if one is not None]
