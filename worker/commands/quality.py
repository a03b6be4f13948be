"""Commands about alarm quality: simulate, evaluate, export, cohort."""

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.commands.audit import WHEN, audit_folder, local
from worker.commands.common import BAD_INPUT, config_option, configuration, echo_json, json_option, with_example

if TYPE_CHECKING:
    from worker.quality.answers import AnswerModel
    from worker.quality.baseline import Recorded
    from worker.quality.cohort import PatientTruth
    from worker.quality.policies import StayOutcome
    from worker.quality.stream import Stay

FILE = click.Path(dir_okay=False, path_type=Path)
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


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
    from worker.quality.cohort import CohortPlan
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
    work = on_all_cores(Simulate(CohortPlan(product, how, days, seed)), range(patients))
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
@click.argument("file", type=EXISTING)
@click.option("--truth", type=EXISTING, help="As `simulate` writes it.")
@click.option("--answer", default="lognormal 3 min, 10 % never", show_default=True, help="How people answer pages.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the answers.")
@click.option("--comparators/--no-comparators", default=True, show_default=True, help="Naive thresholds, NEWS2, ...")
@click.option("--charted-by-hand", multiple=True, metavar="SOURCE", help="A person charts what this source measured.")
@click.option("--json", "json_file", type=FILE, help="Write every measure as JSON.")
@click.option("--html", "html_file", type=FILE, help="Write the measures as one HTML page with plots.")
@click.option("--record", "record_file", type=FILE, help="Write the pages as a baseline for later rules (gzip).")
@click.option("--baseline", "baseline_file", type=EXISTING, help="Compare with a baseline of the same stream.")
@config_option
def evaluate(
    file: Path,
    truth: Path | None,
    answer: str,
    seed: int,
    comparators: bool,
    charted_by_hand: tuple[str, ...],
    json_file: Path | None,
    html_file: Path | None,
    record_file: Path | None,
    baseline_file: Path | None,
    config_dir: Path | None,
) -> None:
    """Measure burden, and with the truth also sensitivity, delay and ground, of the rules and of simpler ones.

    FILE holds native messages, one JSON object a line, also gzip. It is evaluated in this process: nobody is paged.
    """
    import msgspec

    from worker.quality import baseline
    from worker.quality.evaluation import EvaluationSettings, measured
    from worker.quality.report import render
    from worker.quality.stream import digest, read_stays
    from worker.quality.table import tables

    site = configuration(config_dir)
    settings = EvaluationSettings(config_dir, _answers(answer), seed, comparators, charted_by_hand)
    truths = _truths(truth) if truth is not None else {}
    stays = read_stays(file)
    stream = digest(stays)
    recorded = _baseline(baseline_file, stream, answer, seed) if baseline_file is not None else None
    outcomes = _outcomes(stays, settings)
    if not outcomes:
        raise click.ClickException(f"{file}: no message of any patient")
    if record_file is not None:
        baseline.record(record_file, outcomes, release=site.release, stream=stream, answer=answer, seed=seed)
    if recorded is not None:
        outcomes = baseline.beside(outcomes, recorded)
    found = measured(outcomes, truths, site)
    days = sum(one.burden.patient_days for one in list(found.values())[:1])
    click.echo(f"{len(outcomes)} stays, {days:.1f} patient-days, {sum(one.messages for one in outcomes)} messages\n")
    click.echo("\n\n".join(tables(found)))
    if recorded is not None:
        _echo_lost(outcomes)
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    if html_file is not None:
        page = render(found, outcomes, truths, site.zone, title=file.name, answer=answer, release=site.release)
        html_file.write_text(page, encoding="utf-8")
    if unread := sum(one.unread for one in outcomes):
        click.echo(f"{unread} line(s) are no message", err=True)
        sys.exit(BAD_INPUT)


def _truths(path: Path) -> "dict[str, PatientTruth]":
    import msgspec

    from worker.quality.evaluation import read_truths

    try:
        return read_truths(path)
    except msgspec.DecodeError as error:
        raise click.ClickException(f"{path}: not as `cartwatch simulate` writes it: {error}") from error


def _baseline(path: Path, stream: str, answer: str, seed: int) -> "Recorded":
    import msgspec

    from worker.quality.baseline import OtherStreamError, read_baseline

    try:
        return read_baseline(path, stream=stream, answer=answer, seed=seed)
    except (OtherStreamError, msgspec.DecodeError, OSError) as error:
        raise click.ClickException(f"{path}: {error}") from error


def _echo_lost(outcomes: "Sequence[StayOutcome]") -> None:
    """Print the critical and high first pages of the baseline that the rules do not send within an hour."""
    from worker.quality.baseline import lost

    missing = list(lost(outcomes))
    click.echo(f"\nfirst pages of the baseline, critical or high, that are not sent within an hour: {len(missing)}")
    for page in missing:
        level = page.levels.get(page.condition, 0)
        click.echo(
            f"  {page.patient} {page.at:%Y-%m-%d %H:%M} UTC {page.urgency} {page.condition} {level} {page.reason}"
        )


def _answers(text: str) -> "AnswerModel":
    from worker.quality.answers import parse_answer

    try:
        return parse_answer(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--answer") from error


def _outcomes(stays: "Sequence[Stay]", settings: object) -> "list[StayOutcome]":
    from worker.quality.evaluation import Evaluate, EvaluationSettings, on_all_cores

    assert isinstance(settings, EvaluationSettings)
    work = on_all_cores(Evaluate(settings), stays)
    with click.progressbar(work, length=len(stays), label="evaluated", file=sys.stderr) as bar:
        return [one for one in bar if one is not None]


@with_example("cartwatch export --pseudonymised", "cartwatch export --with-names --patient P1 --since 2026-11-30")
@click.command(short_help="Write the messages of the site, or of patients.")
@click.option("--pseudonymised", is_flag=True, help="Without names, places, people and free text; times are moved.")
@click.option("--with-names", is_flag=True, help="As they were accepted: for a replay inside the hospital.")
@click.option("--patient", "patients", multiple=True, metavar="PATIENT", help="Only this one; may be repeated.")
@click.option("--since", type=WHEN, help="Accepted from then on, on the hospital's clock.")
@click.option("--until", type=WHEN, help="Accepted before, on the hospital's clock.")
@click.option("--output", type=FILE, default=Path("own.ndjson.gz"), show_default=True)
@click.option("--key", "key_file", type=FILE, help="Continue earlier pseudonyms; made if it is absent. Keep it secret.")
def export(
    pseudonymised: bool,
    with_names: bool,
    patients: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    output: Path,
    key_file: Path | None,
) -> None:
    """Write the messages that the audit and the journal keep, one JSON object a line.

    The file is for `cartwatch replay`, and pseudonymised for `cartwatch evaluate` and `cartwatch cohort`. Then times
    are moved by whole weeks for each patient. It is pseudonymised, not anonymous: handle it as patient data.
    """
    import msgspec

    from worker.commands.common import runtime
    from worker.quality.export import Choice, Pseudonymiser, as_accepted, kept_messages
    from worker.quality.export import pseudonymised as without_names
    from worker.quality.stream import written

    if pseudonymised == with_names:
        raise click.UsageError("write either --pseudonymised or --with-names")
    run = runtime()
    key = _key(key_file)
    record = audit_folder() if run.settings.audit_dir is not None else None
    chosen = Choice(patients, local(since, run.site.zone), local(until, run.site.zone))
    messages = kept_messages(run.store, record, chosen)
    count = 0
    with written(output) as lines:
        for body in without_names(messages, key) if pseudonymised else as_accepted(messages):
            lines.write(msgspec.json.encode(body) + b"\n")
            count += 1
    output.chmod(0o600)
    click.echo(f"{count} messages: {output}")
    if pseudonymised:
        for source in run.site.conventions.chart.charted_by_hand.value:
            click.echo(f"evaluate it with --charted-by-hand {Pseudonymiser(key).name('s', source)}")


def _key(path: Path | None) -> bytes:
    """The key of the pseudonyms: that of a file, which is made if it is absent; else one that is forgotten."""
    import os
    import secrets

    if path is None:
        return secrets.token_bytes(32)
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as made:
            made.write(secrets.token_bytes(32))
    key = path.read_bytes()
    if len(key) < 32:
        raise click.ClickException(f"{path}: a key has 32 bytes or more; name a file that is absent to make one")
    return key


@click.group(short_help="What a stream says about its own patients.")
def cohort() -> None:
    """What a stream says about its own patients."""


@with_example("cartwatch cohort m-easix own.ndjson.gz")
@cohort.command("m-easix", short_help="m-EASIX by day, and local cut-offs.")
@click.argument("file", type=EXISTING)
@json_option
@config_option
def m_easix(file: Path, as_json: bool, config_dir: Path | None) -> None:
    """m-EASIX by day since infusion: its distribution, and cut-offs by quantile and by Youden against later ICANS >= 3.

    It is a local figure. There is no accepted cut-off.
    """
    from worker.quality.evaluation import ScoreStay, on_all_cores
    from worker.quality.m_easix import HEAD, WARNING, by_day, rows
    from worker.quality.stream import read_stays
    from worker.quality.table import markdown

    configuration(config_dir)
    stays = read_stays(file)
    work = on_all_cores(ScoreStay(config_dir), stays)
    with click.progressbar(work, length=len(stays), label="scored", file=sys.stderr) as bar:
        patients = [one for one in bar if one is not None]
    days = list(by_day(patients))
    if as_json:
        for one in days:
            echo_json(one._asdict() | {"youden": one.youden._asdict() if one.youden is not None else None})
    else:
        click.echo(markdown(HEAD, rows(days)))
    click.echo(WARNING, err=as_json)
