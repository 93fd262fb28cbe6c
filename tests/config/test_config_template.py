"""The file that `init` writes: every key, explained, and loadable."""

from __future__ import annotations

import re
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revops.config import read
from revops.config_schema import keys_of, sections
from revops.config_suggest import document, suggest
from revops.config_template import KEY_TEXTS, SECTION_TEXTS, Suggestion, bounds_of, effective, render, toml_value
from revops.domain.channel import Channel, Terms
from revops.domain.node import NodeInfo, Wallet, WalletOutput
from revops.domain.options import CommonOptions
from revops.domain.policy import Config, DatabaseConfig, NodeConfig
from revops.domain.snapshot import NodeView
from revops.domain.summary import FirstLook
from revops.errors import ConfigError

NODE_ID = "02" + "ab" * 32


def all_keys() -> list[str]:
    return [f"{section}.{key}" for section, kind in sections().items() for key in keys_of(kind)]


def channel(fee_ppm: int, local_msat: int = 500_000_000) -> Channel:
    terms = Terms(fee_base_msat=0, fee_ppm=fee_ppm, htlc_min_msat=1, htlc_max_msat=10**9, cltv_delta_blocks=34)
    return Channel(
        channel_id="cd" * 32, peer_id=NODE_ID, scid="1x2x3", alias_local=None, alias_remote=None, direction=0,
        state="CHANNELD_NORMAL", opener="local", private=False, connected=True, capacity_msat=10**9,
        local_msat=local_msat, spendable_msat=local_msat, receivable_msat=10**9 - local_msat, our_reserve_msat=0,
        their_reserve_msat=0, local_terms=terms, remote_terms=None, max_accepted_htlcs=483,
    )  # fmt: skip


def first_look(
    earned_msat: int = 0, wallet_sat: int = 0, channels: tuple[Channel, ...] = (), **more: object
) -> FirstLook:
    node = NodeInfo(NODE_ID, 'evil\nmode = "act"\x1b[2J', "v26.06", "bitcoin", 900_000, 0)
    wallet = Wallet((WalletOutput("a:0", wallet_sat * 1000, "confirmed", reserved=False),))
    view = NodeView(1_790_000_000.0, node, wallet, channels)
    return FirstLook("/run/lightning-rpc", view, 7, earned_msat, 3, **{"complete": True, **more})  # type: ignore[arg-type]


def test_every_key_and_section_has_its_sentence():
    assert list(KEY_TEXTS) == all_keys()
    assert list(SECTION_TEXTS) == list(sections())


def test_the_written_file_holds_every_key_once_and_loads(tmp_path):
    seen = first_look(earned_msat=7_000_999, wallet_sat=50_000, channels=(channel(1), channel(5_000)))
    text = document(seen, suggest(seen))
    found, section = [], ""
    for line in text.splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = header[1]
        elif entry := re.fullmatch(r"(?:# )?(\w+) = .+", line):
            found.append(f"{section}.{entry[1]}")
    assert found == all_keys()
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    config = read(CommonOptions(config_path=path), {}).config
    assert config.fees.mode == config.rebalance.mode == "observe"
    assert config.node.rpc_path == "/run/lightning-rpc"
    assert (config.budget.weekly_sat, config.budget.daily_sat) == (0, 0), "a budget is the operator's to name"
    assert "# weekly_sat = 3_500" in text
    assert "# daily_sat = 1_166" in text
    assert config.reserve.onchain_sat == 100_000
    assert config.reserve.offchain_sat == 50_000


def test_the_commented_defaults_are_the_defaults(tmp_path):
    bare = render({"node.rpc_path": Suggestion("/x", "given")}, ("top",))
    shown = re.sub(r"(?m)^# (\w+ = )", r"\1", bare)
    path = tmp_path / "config.toml"
    path.write_text(shown, encoding="utf-8")
    loaded = read(CommonOptions(config_path=path), {})
    assert loaded.config == Config(node=NodeConfig(rpc_path="/x"))
    assert set(loaded.origins) == set(all_keys())


def test_what_the_node_says_stays_a_comment():
    seen = first_look()
    document_text = document(seen, suggest(seen))
    assert "\x1b" not in document_text
    assert tomllib.loads(document_text)["fees"] == {"mode": "observe"}


def test_suggestions_say_their_figures():
    seen = first_look(earned_msat=20_000_000, wallet_sat=250_000, channels=tuple(channel(p) for p in (5, 100, 9_000)))
    values = suggest(seen)
    assert values["budget.weekly_sat"].value == 10_000
    assert "3 forwards earned 20,000 sat" in values["budget.weekly_sat"].why
    assert values["budget.daily_sat"].value == 3_333
    assert "5 to 9,000 ppm" in values["fees.min_ppm"].why
    assert "1 of them less" in values["fees.min_ppm"].why
    assert "250,000 sat" in values["reserve.onchain_sat"].why
    assert "nothing is written" not in values["reserve.onchain_sat"].why


def test_a_poor_wallet_is_told_that_it_suspends_writing():
    values = suggest(first_look(wallet_sat=10, channels=(channel(5),) * 30))
    assert values["reserve.onchain_sat"].value == 300_000
    assert "nothing is written to the node until" in values["reserve.onchain_sat"].why


def test_an_incomplete_count_is_a_lower_bound():
    assert "at least 1 sat" in suggest(first_look(earned_msat=1_000, complete=False))["budget.weekly_sat"].why


def test_an_unwritable_textfile_folder_is_only_proposed():
    closed = suggest(first_look(textfile_dir="/var/lib/x", textfile_dir_writable=False))["metrics.textfile_dir"]
    opened = suggest(first_look(textfile_dir="/var/lib/x", textfile_dir_writable=True))["metrics.textfile_dir"]
    assert (closed.active, opened.active) == (False, True)
    assert "metrics.textfile_dir" not in suggest(first_look())


@given(st.text(st.characters(exclude_categories=["Cs"])))
@settings(deadline=None)
def test_toml_strings_come_back(text):
    assert tomllib.loads(f"x = {toml_value(text)}")["x"] == text


@pytest.mark.parametrize("value", [0, 2_500, -7, 0.1, 1e-9, 1e22, True, False, ["fees"], []])
def test_toml_values_come_back(value):
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value


def test_a_path_that_is_not_utf8_is_refused():
    with pytest.raises(ConfigError, match="UTF-8"):
        toml_value("/tmp/\udcff")


def test_bounds_are_said():
    def of(path: str) -> str:
        section, _, key = path.partition(".")
        return bounds_of(keys_of(sections()[section])[key].type)

    assert of("fees.min_ppm") == "0 to 1,000,000"
    assert of("fees.max_step_ratio") == "above 0 to 10"
    assert of("fees.zero_flow_drop_ratio") == "above 0 to below 1"
    assert of("fees.mode") == '"act" or "observe"'
    assert of("node.name") == ""
    assert of("budget.revenue_share_ratio") == '0 to 10 or "none"'


def test_the_effective_configuration_hides_the_password_and_says_origins():
    url = "postgresql+psycopg://me:s3cret@host/db"
    config = Config(node=NodeConfig(rpc_path="/x"), database=DatabaseConfig(url=url))
    text = effective(config, {"node.rpc_path": "/etc/r\x1b.toml", "database.url": "--db"})
    assert "s3cret" not in text
    assert "\x1b" not in text
    assert "# --db" in text
    parsed = tomllib.loads(text)
    assert parsed["database"]["url"] == "postgresql+psycopg://me:***@host/db"
    assert sum(len(keys) for keys in parsed.values()) == len(all_keys())
    assert sum("# default" in line for line in text.splitlines()) == len(all_keys()) - 2


def test_what_init_promises_is_what_a_dry_run_does() -> None:
    """Nobody is sent to look for days at what records nothing."""
    said = suggest(first_look())["fees.mode"].why
    assert "look at `revops report` for some days" in said
    assert "A dry run records nothing" in said
