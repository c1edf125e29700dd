/// Small on purpose, so that one entry spans several sectors and can be torn.
const SECTOR_BYTES: usize = 16;

/// A simulated disk with a volatile cache. A crash loses, keeps or tears each write that was not
/// synced. It does not model reordering across a sync, or a write that lands in the wrong place.
#[derive(Debug, Clone, Default)]
pub struct SimDisk {
    durable: Vec<u8>,
    cache: Vec<(usize, Vec<u8>)>,
    lies: bool,
}

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty disk that answers a sync without doing it, as `synchronous=NORMAL` does for the
    /// last commits. A simulation that loses nothing on this disk does not simulate a crash.
    #[must_use]
    pub fn lying() -> Self {
        Self { lies: true, ..Self::default() }
    }

    /// What would be read after a power cut that kept only what was synced.
    #[must_use]
    pub fn durable(&self) -> &[u8] {
        &self.durable
    }

    /// Flips one bit, counted over the whole disk and wrapping at its end: bit rot.
    pub fn flip_bit(&mut self, bit: u64) {
        let bytes = u64::try_from(self.durable.len()).unwrap_or(u64::MAX);
        let byte = (bit / 8).checked_rem(bytes).and_then(|byte| usize::try_from(byte).ok());
        if let Some(byte) = byte.and_then(|byte| self.durable.get_mut(byte)) {
            *byte ^= 1 << (bit % 8);
        }
    }

    /// Cuts the power. `choose(n)` draws a number below `n`, and decides what becomes of each
    /// write that was not synced: lost, whole, or any subset of its sectors.
    pub fn crash(&mut self, choose: &mut dyn FnMut(u64) -> u64) {
        for (at, bytes) in std::mem::take(&mut self.cache) {
            match choose(3) {
                0 => {}
                1 => self.put(at, &bytes),
                _ => {
                    let sectors = (at..).step_by(SECTOR_BYTES).zip(bytes.chunks(SECTOR_BYTES));
                    for (at, sector) in sectors.filter(|_| choose(2) == 0) {
                        self.put(at, sector);
                    }
                }
            }
        }
    }

    pub(super) fn write(&mut self, at: usize, bytes: Vec<u8>) {
        self.cache.push((at, bytes));
    }

    pub(super) fn sync(&mut self) {
        if !self.lies {
            self.flush();
        }
    }

    /// Writes everything down: what the operating system does in the end when only the process
    /// was killed.
    pub(super) fn flush(&mut self) {
        for (at, bytes) in std::mem::take(&mut self.cache) {
            self.put(at, &bytes);
        }
    }

    pub(super) fn truncate(&mut self, bytes: usize) {
        self.durable.truncate(bytes);
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
