//! Ports for throw-away processes, which stop listening now and then and must find their port free
//! again.

use std::{
    io,
    net::{Ipv4Addr, TcpListener, UdpSocket},
};

/// Below the ports that Linux gives to outgoing connections (32768 to 60999 by default), one of
/// which would else sit on the port of a process that is being restarted.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// A TCP port of the loopback that no other [`ClaimedPort`] on this machine has, whether or not
/// somebody listens on it. The claim is a UDP socket of the same number, so that it ends with the
/// process and leaves nothing behind.
#[derive(Debug)]
pub struct ClaimedPort {
    number: u16,
    _claim: UdpSocket,
}

impl ClaimedPort {
    /// Claims a port on which nobody listens now.
    ///
    /// # Errors
    ///
    /// That of the last port tried, where all are taken.
    pub fn new() -> io::Result<Self> {
        // Processes that run side by side begin apart.
        let begin = std::process::id().wrapping_mul(7);
        let mut last = io::Error::other("no port was tried");
        for step in 0..u32::from(COUNT) {
            let place = begin.wrapping_add(step).checked_rem(u32::from(COUNT));
            let place = place.and_then(|place| u16::try_from(place).ok()).unwrap_or_default();
            match claim(FIRST.saturating_add(place)) {
                Ok(claimed) => return Ok(claimed),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The port.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }
}

fn claim(number: u16) -> io::Result<ClaimedPort> {
    let address = (Ipv4Addr::LOCALHOST, number);
    let claim = UdpSocket::bind(address)?;
    // Free for a listener too; it goes at once.
    drop(TcpListener::bind(address)?);
    Ok(ClaimedPort { number, _claim: claim })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_port_is_nobody_elses_while_nobody_listens_on_it() {
        let (one, other) = (ClaimedPort::new().unwrap(), ClaimedPort::new().unwrap());
        assert_ne!(one.number(), other.number());
        assert!((FIRST..FIRST + COUNT).contains(&one.number()));
        let number = one.number();
        assert!(claim(number).is_err());
        drop(one);
        assert_eq!(claim(number).unwrap().number(), number);
    }
}
