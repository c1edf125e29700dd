use super::*;
use crate::sample;

fn settings() -> Settings {
    sample::settings(&sample::keys(Network::Regtest, crate::ScriptKind::Taproot).unwrap()).unwrap()
}

#[test]
fn the_file_says_what_the_settings_say() {
    let settings = settings();
    assert_eq!(Settings::parse_toml(&settings.to_toml()).unwrap(), settings);
}

#[test]
fn a_file_with_a_wrong_missing_or_unknown_field_is_refused() {
    let good = settings().to_toml();
    for (from, to) in [
        ("network = \"regtest\"", "network = \"mainnet\""),
        ("network = \"regtest\"", "network = \"moon\""),
        ("root_nonce = \"", "root_nonce = \"00"),
        ("<0;1>", "<0;2>"),
        ("shards = 1", "shards = 65"),
        ("shards = 1", "shards = 0"),
        ("shards = 1", ""),
        ("shards = 1", "shards = 1\nshard = 2"),
        ("weight_units_max = 400000", "weight_units_max = 400001"),
        ("inputs_max = 200", "inputs_max = 0"),
        ("capacity_sat = ", "capacity_sat = 99999999999999999"),
        ("[tranche.server_vouched]\ncapacity_sat = ", "[tranche.server_vouched]\ncapacity_sat = 9"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from} is not in the file");
        assert!(Settings::parse_toml(&bad).is_err(), "{from} -> {to}");
    }
}

#[test]
fn a_deployment_is_its_network_descriptor_and_nonce_and_nothing_else() {
    let settings = settings();
    let mut other = settings.clone();
    other.limits.fee_max = Sats::ZERO;
    assert_eq!(other.deployment(), settings.deployment());
    other.root_nonce = [1; 32];
    assert_ne!(other.deployment(), settings.deployment());
    let mut other = settings.clone();
    other.network = Network::Signet;
    assert_ne!(other.deployment(), settings.deployment());
}
