use super::*;

fn close(found: f64, published: f64) {
    assert!((found / published - 1.0).abs() < 1e-6, "found {found}, published {published}");
}

/// Source: Rosenfeld 2012; values computed with exact fractions.
#[test]
fn the_exact_double_spend_probability_agrees_with_exact_fractions() {
    for (q, z, published) in [
        (0.1, 1, 0.2),
        (0.1, 2, 0.056),
        (0.1, 6, 1_848_163.0 / 3_125_000_000.0),
        (0.1, 10, 7.859_764_7e-6),
        (0.3, 6, 0.156_449_58),
        (0.3, 20, 0.008_673_864_3),
        (0.4, 3, 0.634_88),
        (0.02, 12, 9.024_494_407_19e-15),
        (0.02, 100, 1.585_019_195_51e-112),
    ] {
        close(double_spend_probability(q, z), published);
    }
}

#[test]
fn confirmations_for_one_in_a_thousand_agree_with_exact_fractions() {
    for (q, published) in [(0.10, 6), (0.15, 9), (0.20, 13), (0.25, 20), (0.30, 32), (0.40, 133)] {
        let found =
            (1..=CONFIRMATIONS_MAX).find(|z| double_spend_probability(q, *z) < 0.001).unwrap();
        assert_eq!(found, published, "q = {q}");
    }
}

/// Source: the expected duration of the race, checked against a Monte Carlo simulation.
#[test]
fn a_majority_attack_lasts_as_long_as_computed() {
    for (a, z, published) in
        [(1.05, 1, 25.509), (1.25, 6, 11.367), (2.0, 1, 1.888_9), (2.0, 6, 6.446_7)]
    {
        let found = majority_duration(a, z);
        assert!((found / published - 1.0).abs() < 1e-4, "A {a}, z {z}: {found}");
    }
}

fn model() -> FinalityModel {
    FinalityModel {
        attacker_permille: 100,
        accepted_loss: Sats::parse(1_000_000).unwrap(),
        majority_permille: 1_250,
        block_reward: Sats::parse(312_500_000).unwrap(),
        floor: 2,
    }
}

#[test]
fn more_value_never_needs_fewer_confirmations() {
    let table = ConfirmationTable::new(&model());
    let btc = |n: u64| Sats::parse(n * 100_000_000).unwrap();
    let required = |value| table.required(value).0;
    assert_eq!(required(Sats::ZERO), 2);
    // 1 BTC: P(z) must be at most 0.01; P(3) = 0.01712, P(4) = 0.005456.
    assert_eq!(required(btc(1)), 4);
    // 1,000 BTC: the minority rule asks P <= 1e-5, so 10; the majority rule asks for more.
    assert!(required(btc(1_000)) > 100);
    let mut last = 0;
    for value in (0..60).map(|power| Sats::parse(1 << power.min(50)).unwrap()) {
        assert!(required(value) >= last);
        last = required(value);
    }
    assert_eq!(required(Sats::MAX), CONFIRMATIONS_MAX);
}

#[test]
fn an_attacker_that_confirmations_do_not_stop_needs_the_maximum() {
    for impossible in [
        FinalityModel { attacker_permille: 500, ..model() },
        FinalityModel { attacker_permille: 0, ..model() },
        FinalityModel { majority_permille: 1_000, ..model() },
    ] {
        let table = ConfirmationTable::new(&impossible);
        assert_eq!(table.required(Sats::parse(1).unwrap()).0, CONFIRMATIONS_MAX);
    }
}
