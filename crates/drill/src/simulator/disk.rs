//! A simulated file on a disk with a volatile cache.
//!
//! A power cut loses, keeps or tears each write that was not synced; a killed process loses
//! nothing that was written. Not modelled: bit rot, writes that land elsewhere, and a disk that
//! lies about a sync.

use super::random::{Random, quick_hash};

/// Small on purpose, so that one frame spans several sectors and can be torn.
const SECTOR_BYTES: usize = 64;
/// Length and checksum before each frame's body.
const HEADER_BYTES: usize = 12;

/// Where an append stops. In every case the caller is told that it failed, and stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrashPoint {
    /// Nothing was written.
    BeforeWrite,
    /// Written, not synced: may be there, gone or torn. A sync that fails looks the same.
    BeforeSync,
    /// Durable, and nobody was told.
    AfterSync,
}

impl CrashPoint {
    pub(crate) fn any(random: &mut Random) -> Self {
        match random.below(4) {
            0 => Self::BeforeWrite,
            1 => Self::AfterSync,
            _ => Self::BeforeSync,
        }
    }
}

/// The append did not return: the process is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crashed;

/// An append-only file of frames. A frame is read whole or not at all, as a database's
/// transaction is.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogFile {
    durable: Vec<u8>,
    cache: Vec<(usize, Vec<u8>)>,
    end: usize,
}

impl LogFile {
    /// Adds a frame and makes it durable.
    pub(crate) fn append(&mut self, body: &[u8], crash: Option<CrashPoint>) -> Result<(), Crashed> {
        let stop_at = |point| if crash == Some(point) { Err(Crashed) } else { Ok(()) };
        stop_at(CrashPoint::BeforeWrite)?;
        let frame = frame(body);
        let end = self.end.saturating_add(frame.len());
        self.cache.push((self.end, frame));
        stop_at(CrashPoint::BeforeSync)?;
        self.flush();
        self.end = end;
        stop_at(CrashPoint::AfterSync)
    }

    /// The power is cut: each write that was not synced is lost, whole, or any of its sectors.
    pub(crate) fn cut_power(&mut self, random: &mut Random) {
        for (at, bytes) in std::mem::take(&mut self.cache) {
            match random.below(3) {
                0 => {}
                1 => self.put(at, &bytes),
                _ => {
                    let sectors = (at..).step_by(SECTOR_BYTES).zip(bytes.chunks(SECTOR_BYTES));
                    for (at, sector) in sectors {
                        if random.chance(500) {
                            self.put(at, sector);
                        }
                    }
                }
            }
        }
    }

    /// The process is killed: the operating system writes down what it was given.
    pub(crate) fn flush(&mut self) {
        for (at, bytes) in std::mem::take(&mut self.cache) {
            self.put(at, &bytes);
        }
    }

    /// Every whole frame from the beginning; what follows the first torn one is cut off.
    pub(crate) fn open(&mut self) -> Vec<Vec<u8>> {
        self.flush();
        let mut frames = Vec::new();
        self.end = 0;
        while let Some((body, end)) = frame_at(&self.durable, self.end) {
            frames.push(body);
            self.end = end;
        }
        self.durable.truncate(self.end);
        frames
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        let end = at.saturating_add(bytes.len());
        if self.durable.len() < end {
            self.durable.resize(end, 0);
        }
        if let Some(place) = self.durable.get_mut(at..end) {
            place.copy_from_slice(bytes);
        }
    }
}

fn checksum(body: &[u8]) -> [u8; 8] {
    quick_hash(body).to_le_bytes()
}

fn frame(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    [&length[..], &checksum(body), body].concat()
}

fn frame_at(file: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    let (length, rest) = file.get(start..)?.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    // A length that was torn to zeros is no frame: no body here is empty.
    let body = rest.get(..length).filter(|body| !body.is_empty())?;
    let end = start.checked_add(HEADER_BYTES)?.checked_add(length)?;
    (checksum(body) == *sum).then(|| (body.to_vec(), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_acknowledged_survives_every_crash_and_a_torn_frame_does_not() {
        let (mut kept, mut lost) = (0, 0);
        for seed in 0..300 {
            let mut random = Random::new(seed);
            let mut file = LogFile::default();
            file.append(&[1; 200], None).unwrap();
            assert_eq!(file.append(&[2; 200], Some(CrashPoint::BeforeSync)), Err(Crashed));
            file.cut_power(&mut random);
            let frames = file.open();
            assert_eq!(frames[0], [1; 200]);
            match frames.len() {
                1 => lost += 1,
                2 => kept += 1,
                _ => panic!("two frames were written"),
            }
            file.append(&[3; 10], None).unwrap();
            assert_eq!(file.open().last().unwrap(), &[3; 10]);
        }
        assert!(kept > 50 && lost > 50, "{kept} kept, {lost} lost");
    }

    #[test]
    fn a_crash_before_the_write_loses_and_one_after_the_sync_keeps() {
        let mut file = LogFile::default();
        assert!(file.append(&[1], Some(CrashPoint::BeforeWrite)).is_err());
        assert!(file.append(&[2], Some(CrashPoint::AfterSync)).is_err());
        file.cut_power(&mut Random::new(0));
        assert_eq!(file.open(), [[2]]);
    }
}
