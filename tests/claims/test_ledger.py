from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from ranparity.claims import ledger
from ranparity.errors import InputError
from ranparity.models import zoo

LEDGER = ledger.load()

# What the sources print, written out a second time from them: source, data, measure, figures.
PRINTED = [
    # Tables 1, 3, 4, 5, 6.
    ("paper", "cifar10", "test-error", "5.52 6.24 6.33"),
    ("paper", "cifar10", "test-error", "5.52 5.89 4.99 5.35 4.44 5.57 4.31 7.18"),
    ("paper", "cifar10", "test-error", "6.48 5.52"),
    ("paper", "cifar10", "error-difference", ".94"),
    ("paper", "cifar10", "test-error", "5.93 6.61 8.35 17.21 5.15 5.79 7.27 15.75"),
    ("paper", "cifar10", "test-error", "4.99 4.14 3.90 5.46 4.17"),
    ("paper", "cifar100", "test-error", "21.71 21.16 20.45 24.33 20.50"),
    ("paper", "cifar100", "test-error", "20.45 20.67"),
    # Tables 2, 6 and 7.
    ("paper", "", "parameters", "31.9_M 51.3_M"),
    ("paper", "", "parameters", "1.9_M 5.1_M 8.6_M 1.7_M 36.5_M"),
    ("paper", "", "parameters", "31.9_M"),
    ("paper", "", "macs", "6.2_G 10.4_G 6.3_G 6.3_G"),
    ("paper", "imagenet", "top-1-error", "21.76 21.2 20.36 19.5 22.16 20.1"),
    ("paper", "imagenet", "top-5-error", "5.9 5.6 5.29 4.8 6.16 4.8"),
    ("e4040-rl3164", "cifar10", "test-accuracy", "86.26 86.66 85.66 78.74"),
    ("e4040-rl3164", "cifar100", "test-accuracy", "54.77 53.46"),
    ("e4040-rl3164", "", "parameters", "2,877,290 2,892,970 2,878,186 2,893,866"),
    ("e4040-rl3164", "", "parameters", "9,365,738 9,396,778 2,923,460 2,939,140"),
    ("e4040-rl3164", "cifar10", "seconds-per-epoch", "48 65_to_67"),
    ("e4040-xh2510", "cifar10", "test-error", "6.71 6.68 5.91 6.12"),
    ("e4040-xh2510", "cifar100", "test-error", "32.24 37.98 25.8 30.3"),
    ("e4040-xh2510", "cifar10", "test-error", "9.46 10.43 13.10 21.3"),
    ("e4040-xh2510", "cifar10", "test-error", "7.35 8.21 10.31 18.3"),
    ("e4040-xh2510", "cifar10", "test-error", "5.93 6.61 8.35 17.21"),
    ("e4040-xh2510", "cifar100", "test-error", "20.71"),
    ("e4040-xh2510", "cifar10", "test-error", "5.52"),
    ("e4040-xh2510", "cifar10", "train-error", "2.11"),
    ("e4040-xh2510", "cifar10", "seconds-per-epoch", "98_to_109"),
    ("e4040-xh2510", "cifar100", "seconds-per-epoch", "172_to_424"),
    ("e4040-xh2510", "cifar10", "best-test-accuracy", "90.4 86.6"),
    ("e4040-xh2510", "cifar10", "test-accuracy", "90.4 83.1"),
    ("e4040-xh2510", "cifar100", "best-test-accuracy", "63.9 61.9"),
    ("e4040-xh2510", "cifar100", "test-accuracy", "61.8 61.7"),
    ("e4040-xh2510", "", "parameters", "54,062,026 54,120,138 384,873,508 385,083,684"),
    ("rescon", "cifar100", "train-loss", "1.26 1.42 2.95"),
    ("rescon", "cifar100", "test-loss", "1.58 1.80 2.90"),
    ("rescon", "cifar10", "train-loss", ".51 .61 1.12"),
    ("rescon", "cifar10", "test-loss", ".53 .65 1.01"),
    ("rescon", "", "parameters", "83.2_M"),
    ("tengshaofeng", "cifar10", "best-test-accuracy", "95.4 96.65 96.84"),
    ("qubvel", "cifar10", "test-accuracy", "89.17"),
    ("qubvel", "cifar10", "best-test-accuracy", "89.56"),
    ("qubvel", "cifar10", "seconds-per-epoch", "about_440"),
    ("pytorch", "", "parameters", "11,689,512"),
    ("dranet", "cifar10", "nothing", "none_published"),
]


def test_every_figure_of_the_sources_is_there_and_no_other() -> None:
    expected = Counter(
        (source, data, measure, value.replace("_", " "))
        for source, data, measure, values in PRINTED
        for value in values.split()
    )
    assert expected == Counter(
        (claim.source.name, claim.data.name if claim.data else "", claim.measure.name, claim.value)
        for claim in LEDGER.claims
    )


@pytest.mark.parametrize(
    ("name", "net", "value", "command"),
    [
        ("paper-t1-channel", "attention56-cifar-channel", "6.24", "--recipe paper-cifar"),
        ("paper-t3-164-nal", "attention164-cifar-naive", "7.18", "--data cifar10 "),
        ("paper-t4-local", "attention56-cifar-local", "6.48", "ranparity run --model "),
        ("paper-t5-92-70", "attention92-cifar", "15.75", "paper-cifar --label-noise 0.7"),
        ("paper-t6-452-cifar100", "attention452-cifar", "20.45", "--data cifar100 "),
        ("paper-t6-236-parameters", "attention236-cifar", "5.1 M", "ranparity check "),
        ("paper-t7-next56-top5", "attentionnext56", "5.6", "--recipe paper-imagenet"),
        ("rl3164-c100-56-nal-mixed", "attention56-e4040-naive", "53.46", "--recipe e4040"),
        ("xh2510-noise-92-50", "attention92-e4040-wide", "10.31", "--e4040-noise 0.5"),
        ("rescon-c100-92-224-test", "attention92", "2.90", "--recipe rescon"),
        ("tengshaofeng-92", "attention92-tengshaofeng", "95.4", "-mixup --mixup 0"),
    ],
)
def test_figures_belong_to_their_nets(name: str, net: str, value: str, command: str) -> None:
    claim = LEDGER.claim(name)
    assert (claim.net, claim.value) == (net, value)
    assert command in f"{claim.command} "
    assert f" {net}" in claim.command


@pytest.mark.parametrize("words", ["WRN-28-10", "ResNet-152", "ResNet-200", "AttentionInception"])
def test_nets_that_are_not_here_say_why(words: str) -> None:
    found = [claim for claim in LEDGER.claims if claim.named.startswith(words)]
    assert found
    assert all(claim.why and not claim.command and not claim.net for claim in found)


def test_every_claim_says_how_or_why_not() -> None:
    for claim in LEDGER.claims:
        assert bool(claim.command) != bool(claim.why), claim.id
        assert claim.measure.of == "none" or claim.figure, claim.id


def test_what_is_judged_has_its_margin_and_reason() -> None:
    for measure in LEDGER.measures:
        assert (measure.margin is not None) == (measure.of == "training")
        assert measure.reason


def test_contradictions_are_of_claims_that_are_there_and_really_differ() -> None:
    ids = {claim.id for claim in LEDGER.claims}
    assert len(LEDGER.contradictions) >= 9
    for each in LEDGER.contradictions:
        assert set(each.claims) <= ids
        assert len(each.claims) >= 2
    values = {name: LEDGER.claim(name).value for name in ids}
    assert values["paper-t6-452-cifar100"] != values["paper-s5-452-cifar100"]
    assert values["paper-t2-56-macs"] != values["paper-t7-56-macs"]
    for level in (10, 30, 50, 70):
        copied = values[f"xh2510-noise-resnet164-{level}"]
        assert copied == values[f"paper-t5-resnet164-{level}"]
    assert [each.id for each in LEDGER.contradicted("paper-t4-difference")] == ["local-difference"]


def test_the_zoo_names_no_figure_that_the_ledger_lacks() -> None:
    known = {(claim.net, claim.value) for claim in LEDGER.claims if claim.measure.of == "structure"}
    told = {(net.name, figure.printed) for net in zoo.ENTRIES.values() for figure in net.figures}
    assert told - known == set()


def test_sources_are_there_with_their_faults() -> None:
    assert [source.name for source in LEDGER.sources] == [
        "paper",
        "e4040-rl3164",
        "e4040-xh2510",
        "rescon",
        "tengshaofeng",
        "qubvel",
        "pytorch",
        "dranet",
    ]
    assert [source.name for source in LEDGER.sources if not source.faults] == ["pytorch"]


def test_reading_loads_nothing_heavy() -> None:
    program = "import sys; from ranparity.claims import ledger; ledger.load(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    modules = set(done.stdout.split())
    assert "ranparity.claims.ledger" in modules
    assert modules & {"numpy", "keras", "torch", "jax", "tensorflow", "matplotlib"} == set()


# Ledgers that are no ledgers.

SMALL = """
[[source]]
name = "us"
title = "Us"
place = "here"
faults = ["none known"]

[[data]]
name = "digits"
title = "digits"
option = "digits"
recorded = "digits"
train = 1437
test = 360
classes = 10

[[measure]]
name = "test-accuracy"
title = "test accuracy"
unit = "%"
of = "training"
margin = 0.3
reason = "so"

[[table]]
source = "us"
where = "here"
data = "digits"
measure = "test-accuracy"
command = "ranparity run --model {net} --data {data} --recipe digits"
rows = [
  { id = "one", named = "One", net = "attention56-cifar", value = "97.5" },
  { id = "two", named = "Two", value = "97", why = "no net" },
]

[[contradiction]]
id = "both"
what = "they differ"
claims = ["one", "two"]
"""


def test_a_row_has_what_its_table_has_and_its_own() -> None:
    one, two = ledger.parse(SMALL).claims
    assert one.command == "ranparity run --model attention56-cifar --data digits --recipe digits"
    assert (one.figure and one.figure.value, one.data and one.data.train) == (97.5, 1437)
    assert (two.command, two.why) == ("", "no net")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "two"', 'id = "one"', "expected each id once. Received twice: one"),
        ('id = "both"', 'id = "one"', "expected each id once. Received twice: one"),
        ('["one", "two"]', '["one", "x"]', "both: expected ids of claims. Received: x"),
        ('"97.5"', '"much"', "one: expected a number as the value. Received: 'much'"),
        (
            'data = "digits"\nmeasure',
            'data = "d"\nmeasure',
            "one: data: expected one of digits. Received: 'd'",
        ),
        (
            'why = "no net"',
            'net = "x", why = "no net"',
            "two: expected either a net and a command, or why there is none",
        ),
        (
            'net = "attention56-cifar", ',
            "",
            "one: expected either a net and a command, or why there is none",
        ),
        (
            'named = "One", ',
            "",
            "one: claim: missing 1 required positional argument: 'named'",
        ),
        (
            'place = "here"',
            'place = "here"\nmore = 1',
            "us: source: got an unexpected keyword argument 'more'",
        ),
        (
            "[[source]]",
            "[source",
            "not TOML: Expected ']' at the end of a table declaration (at line 2, column 8)",
        ),
    ],
)
def test_what_is_no_ledger_is_told_in_one_line(old: str, new: str, message: str) -> None:
    assert old in SMALL
    with pytest.raises(InputError) as error:
        ledger.parse(SMALL.replace(old, new, 1))
    assert str(error.value) == f"ledger.toml: {message}"


def test_an_unknown_claim() -> None:
    with pytest.raises(InputError) as error:
        LEDGER.claim("x")
    assert str(error.value) == "unknown claim 'x': expected an id as `ranparity claims` prints them"
