//! Values that can be read and cannot work. Each is refused under its key, before anything starts.

use custody::{chain::REORG_MAX, deposit::finality::CONFIRMATIONS_MAX};
use signer_protocol::intent::VALIDITY_MAX;

use super::{Config, ConfigFault};

impl Config {
    /// Names the first key whose value cannot work, whatever signer and node say.
    ///
    /// # Errors
    ///
    /// [`ConfigFault::Value`].
    pub(super) fn check_values(&self) -> Result<(), ConfigFault> {
        let wrong = self.fault_of_grade().or_else(|| self.fault_of_http());
        let wrong = wrong.or_else(|| self.fault_of_rpc());
        let wrong = wrong.or_else(|| self.fault_of_waits()).or_else(|| self.fault_of_numbers());
        match wrong {
            Some((key, reason)) => Err(ConfigFault::Value { key, reason }),
            None => Ok(()),
        }
    }

    /// Real money is not kept by accident on one disk, behind one operator's token and a signer that
    /// no witness watches.
    fn fault_of_grade(&self) -> Option<(&'static str, String)> {
        (self.network == "mainnet" && !self.accept_evaluation_grade).then(|| {
            let reason = "mainnet is real money, and this release is evaluation-grade: one disk, one \
                          operator's token, one node, a signer without a witness; take another \
                          network, or set accept_evaluation_grade = true to say that you know";
            ("network", reason.to_owned())
        })
    }

    fn fault_of_http(&self) -> Option<(&'static str, String)> {
        let http = &self.http;
        if http.authorities.is_empty() {
            let reason = "no request could be signed for this house; at least one name is needed, \
                          as in [\"api.exchange.example\"]";
            return Some(("http.authorities", reason.to_owned()));
        }
        let wrong = http.authorities.iter().find_map(|name| Some((name, authority_fault(name)?)));
        if let Some((name, reason)) = wrong {
            return Some(("http.authorities", format!("`{name}` {reason}")));
        }
        (http.listen == http.monitor_listen).then(|| {
            let reason = format!("{} is http.listen too; take another port", http.listen);
            ("http.monitor_listen", reason)
        })
    }

    fn fault_of_rpc(&self) -> Option<(&'static str, String)> {
        let rpc = &self.node.rpc;
        let reason = if rpc.contains("://") {
            "has a scheme"
        } else if rpc.contains(['/', '@', ' ']) {
            "has more than host and port"
        } else if !has_port(rpc) {
            "has no port"
        } else {
            return None;
        };
        let reason = format!("`{rpc}` {reason}; host:port is needed, as in 127.0.0.1:8332");
        Some(("node.rpc", reason))
    }

    /// What a withdrawal waits for must be over while its intent may still be signed.
    fn fault_of_waits(&self) -> Option<(&'static str, String)> {
        let most = VALIDITY_MAX.0;
        let (window, cool_down) =
            (self.withdrawals.release_window_seconds, self.withdrawals.cool_down_seconds);
        if window >= most {
            let reason =
                format!("{window} is not below {most}, the 72 hours that an intent lasts at most");
            return Some(("withdrawals.release_window_seconds", reason));
        }
        (cool_down.saturating_add(window) >= most).then(|| {
            let reason = format!(
                "{cool_down}, and withdrawals.release_window_seconds of {window} after it, are not \
                 below {most}, the 72 hours that an intent lasts at most"
            );
            ("withdrawals.cool_down_seconds", reason)
        })
    }

    fn fault_of_numbers(&self) -> Option<(&'static str, String)> {
        let Self { http, node, deposits, withdrawals, payouts, reorgs, .. } = self;
        let at_least_one = [
            ("http.request_lifetime_seconds", http.request_lifetime_seconds == 0),
            ("http.nonces_max", http.nonces_max == 0),
            ("node.poll_millis", node.poll_millis == 0),
            ("deposits.adrift_blocks_max", deposits.adrift_blocks_max == 0),
            ("withdrawals.min_sat", withdrawals.min_sat == 0),
            ("withdrawals.review_approvals", withdrawals.review_approvals == 0),
            ("payouts.final_confirmations", payouts.final_confirmations == 0),
            ("payouts.batch_outputs_max", payouts.batch_outputs_max == 0),
            ("payouts.batch_inputs_max", payouts.batch_inputs_max == 0),
            ("payouts.round_millis", payouts.round_millis == 0),
            ("reorgs.stop_depth", reorgs.stop_depth == 0),
        ];
        if let Some((key, _)) = at_least_one.into_iter().find(|(_, zero)| *zero) {
            return Some((key, "is at least 1".to_owned()));
        }
        let depth_max = u32::try_from(REORG_MAX).unwrap_or(u32::MAX);
        let at_most = [
            ("deposits.confirmations_floor", deposits.confirmations_floor, CONFIRMATIONS_MAX),
            ("deposits.confirmations_fixed", deposits.confirmations_fixed, CONFIRMATIONS_MAX),
            ("withdrawals.fund_share_bps", withdrawals.fund_share_bps.into(), 10_000),
            ("reorgs.stop_depth", reorgs.stop_depth, depth_max),
        ];
        if let Some((key, found, most)) = at_most.into_iter().find(|(_, found, most)| found > most)
        {
            return Some((key, format!("{found} is above {most}, the most that is possible")));
        }
        let (fee, fee_max) = (withdrawals.fee_sat, withdrawals.fee_max_sat);
        (fee > fee_max).then(|| {
            let reason = format!("{fee} is above withdrawals.fee_max_sat, which is {fee_max}");
            ("withdrawals.fee_sat", reason)
        })
    }
}

/// Why no request can be signed for this name.
fn authority_fault(name: &str) -> Option<&'static str> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if name.is_empty() {
        Some("is no name")
    } else if name.contains("://") {
        Some("has a scheme; the name alone is needed, with its port unless that is 443")
    } else if name.contains('/') {
        Some("has a path; the name alone is needed, with its port unless that is 443")
    } else if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Some("has upper-case letters; names are signed in lower case")
    } else if !name.bytes().all(known) {
        Some("has characters that no host has")
    } else {
        None
    }
}

/// Whether a port stands behind the last colon; in an IPv6 address that is behind the bracket.
fn has_port(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| {
        let port = port.parse::<u16>().is_ok_and(|port| port > 0);
        let whole = !host.contains(':') || host.starts_with('[') && host.ends_with(']');
        port && whole && !host.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
network = "regtest"
data_dir = "data"

[http]
listen = "127.0.0.1:8080"
monitor_listen = "127.0.0.1:8081"
authorities = ["api.exchange.example", "127.0.0.1:8080", "[::1]:8080"]

[node]
rpc = "127.0.0.1:18443"
credentials_file = "cookie"

[signer]
socket = "socket"

[operator]
token_file = "token"
"#;

    /// The example with one line replaced, or with lines more at its end.
    fn check(old: &str, new: &str) -> Result<(), ConfigFault> {
        assert!(GOOD.contains(old), "no `{old}`");
        let text = GOOD.replace(old, new);
        toml::from_str::<Config>(&text).unwrap_or_else(|error| panic!("{error}")).check_values()
    }

    #[test]
    fn what_cannot_work_is_refused_under_its_key() {
        check("", "").unwrap();
        let authorities = r#"["api.exchange.example", "127.0.0.1:8080", "[::1]:8080"]"#;
        let rpc = r#""127.0.0.1:18443""#;
        let token = "token_file = \"token\"\n";
        let more = |section: &str, line: &str| format!("{token}[{section}]\n{line}\n");
        for (old, new, named) in [
            (authorities, "[]".to_owned(), "http.authorities"),
            (authorities, r#"[""]"#.to_owned(), "http.authorities"),
            (authorities, r#"["https://a.example"]"#.to_owned(), "http.authorities: `https://"),
            (authorities, r#"["a.example/v1"]"#.to_owned(), "http.authorities: `a.example/v1`"),
            (authorities, r#"["b.example", "A.example"]"#.to_owned(), "`A.example` has upper-case"),
            (authorities, r#"["a example"]"#.to_owned(), "http.authorities"),
            ("0.1:8081", "0.1:8080".to_owned(), "http.monitor_listen"),
            ("[node]", "nonces_max = 0\n[node]".to_owned(), "http.nonces_max"),
            ("[node]", "request_lifetime_seconds = 0\n[node]".to_owned(), "http.request_lifetime"),
            (rpc, r#""127.0.0.1""#.to_owned(), "node.rpc: `127.0.0.1` has no port"),
            (rpc, r#""::1""#.to_owned(), "node.rpc"),
            (rpc, r#""127.0.0.1:0""#.to_owned(), "node.rpc"),
            (rpc, r#""http://127.0.0.1:8332""#.to_owned(), "node.rpc: `http://127.0.0.1:8332` has"),
            (rpc, r#""127.0.0.1:8332/wallet""#.to_owned(), "node.rpc"),
            ("[signer]", "poll_millis = 0\n[signer]".to_owned(), "node.poll_millis"),
            (token, more("deposits", "confirmations_fixed = 201"), "deposits.confirmations_fixed"),
            (token, more("deposits", "confirmations_floor = 201"), "deposits.confirmations_floor"),
            (token, more("deposits", "adrift_blocks_max = 0"), "deposits.adrift_blocks_max"),
            (
                token,
                more("withdrawals", "release_window_seconds = 259200"),
                "withdrawals.release_window_seconds",
            ),
            (
                token,
                more("withdrawals", "cool_down_seconds = 258600"),
                "withdrawals.cool_down_seconds",
            ),
            (token, more("withdrawals", "fee_sat = 50001"), "withdrawals.fee_sat"),
            (token, more("withdrawals", "min_sat = 0"), "withdrawals.min_sat"),
            (token, more("withdrawals", "review_approvals = 0"), "withdrawals.review_approvals"),
            (token, more("withdrawals", "fund_share_bps = 10001"), "withdrawals.fund_share_bps"),
            (token, more("payouts", "batch_outputs_max = 0"), "payouts.batch_outputs_max"),
            (token, more("payouts", "batch_inputs_max = 0"), "payouts.batch_inputs_max"),
            (token, more("payouts", "final_confirmations = 0"), "payouts.final_confirmations"),
            (token, more("payouts", "round_millis = 0"), "payouts.round_millis"),
            (token, more("reorgs", "stop_depth = 0"), "reorgs.stop_depth"),
            (token, more("reorgs", "stop_depth = 101"), "reorgs.stop_depth"),
        ] {
            let said = check(old, &new).map_err(|fault| fault.to_string());
            assert!(said.as_ref().is_err_and(|said| said.contains(named)), "{new}: {said:?}");
        }
        // The last values that can work.
        for (section, line) in [
            ("withdrawals", "cool_down_seconds = 258599"),
            ("deposits", "confirmations_fixed = 200"),
            ("reorgs", "stop_depth = 100"),
        ] {
            check(token, &more(section, line)).unwrap();
        }
        check(rpc, r#""[::1]:8332""#).unwrap();
    }
}
