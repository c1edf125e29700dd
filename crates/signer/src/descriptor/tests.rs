use super::*;
use crate::keys::SoftKeys;

fn text(kind: ScriptKind, network: Network) -> String {
    SoftKeys::from_seed(network, kind, &[7; 32]).unwrap().descriptor().to_owned()
}

#[test]
fn our_derivation_agrees_with_miniscript() {
    for kind in [ScriptKind::Taproot, ScriptKind::WitnessKeyHash] {
        let text = text(kind, Network::Regtest);
        let ours = HotDescriptor::parse(&text, Network::Regtest).unwrap();
        let theirs = Descriptor::<DescriptorPublicKey>::from_str(&text).unwrap();
        let branches = theirs.into_single_descriptors().unwrap();
        for (keychain, branch) in [Keychain::External, Keychain::Internal].iter().zip(&branches) {
            for index in [0, 1, 2, 999, 2_147_483_647] {
                let expected = branch.at_derivation_index(index).unwrap().script_pubkey();
                assert_eq!(ours.script(*keychain, index), Some(expected));
            }
        }
        assert_eq!(ours.script(Keychain::External, 1 << 31), None);
    }
}

/// Source: BIP-86, test vectors, first receiving and first change address.
#[test]
fn the_vectors_of_bip_86_are_met() {
    let text = "tr([73c5da0a/86'/0'/0']xpub6BgBgsespWvERF3LHQu6CnqdvfEvtMcQjYrcRzx53QJjSxarj2afYWcLteoGVky7D3UKDP9QyrLprQ3VCECoY49yfdDEHGCtMMj92pReUsQ/<0;1>/*)";
    let checked = Descriptor::<DescriptorPublicKey>::from_str(text).unwrap().to_string();
    let descriptor = HotDescriptor::parse(&checked, Network::Mainnet).unwrap();
    for (keychain, address) in [
        (Keychain::External, "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr"),
        (Keychain::Internal, "bc1p3qkhfews2uk44qtvauqyr2ttdsw7svhkl9nkm9s9c3x4ax5h60wqwruhk7"),
    ] {
        let script = descriptor.script(keychain, 0).unwrap();
        let found = bitcoin::Address::from_script(&script, bitcoin::Network::Bitcoin).unwrap();
        assert_eq!(found.to_string(), address);
    }
}

#[test]
fn a_key_origin_is_located_only_in_our_own_wallet() {
    let descriptor =
        HotDescriptor::parse(&text(ScriptKind::Taproot, Network::Regtest), Network::Regtest)
            .unwrap();
    let (fingerprint, path) = descriptor.key_origin(Keychain::Internal, 5);
    assert_eq!(descriptor.locate(fingerprint, &path), Some((Keychain::Internal, 5)));
    assert_eq!(descriptor.locate(Fingerprint::from([0; 4]), &path), None);
    for wrong in ["86'/1'/0'/2/5", "86'/1'/0'/1/5'", "86'/1'/0'/1", "86'/1'/1'/1/5", "1/5"] {
        assert_eq!(descriptor.locate(fingerprint, &wrong.parse().unwrap()), None, "{wrong}");
    }
}

#[test]
fn only_a_single_key_wallet_of_the_right_network_is_accepted() {
    let good = text(ScriptKind::Taproot, Network::Regtest);
    let parse = |text: &str| HotDescriptor::parse(text, Network::Regtest);
    let checked = |text: &str| {
        Descriptor::<DescriptorPublicKey>::from_str(text)
            .map_or(text.to_owned() + "#", |d| d.to_string())
    };
    let body = good.split_once('#').unwrap().0;
    let key = body.trim_start_matches("tr(").trim_end_matches(')').to_owned();
    assert!(parse(&good).is_ok());
    assert_eq!(parse(body), Err(DescriptorError::NoChecksum));
    let flipped = good.replace("/<0;1>/*", "/<0;2>/*");
    assert!(matches!(parse(&flipped), Err(DescriptorError::Unreadable(_))));
    for (text, error) in [
        (format!("pkh({key})"), DescriptorError::Kind),
        (format!("sh(wpkh({key}))"), DescriptorError::Kind),
        (format!("tr({key},pk({key}))"), DescriptorError::Kind),
        (body.replace("/<0;1>/*", "/0/*"), DescriptorError::Key),
        (body.replace("/<0;1>/*", "/<1;0>/*"), DescriptorError::Key),
        (body.replace("/<0;1>/*", "/<0;1>"), DescriptorError::Key),
        (format!("tr({})", key.split_once(']').unwrap().1), DescriptorError::Key),
    ] {
        assert_eq!(parse(&checked(&text)), Err(error), "{text}");
    }
    let network = HotDescriptor::parse(&good, Network::Mainnet);
    assert!(matches!(network, Err(DescriptorError::Network { .. })));
}
