use std::{fs::File, io, os::unix::fs::FileExt};

/// What the memory asks of a file. A trait, so that tests see in which order things become durable
/// and what is left when a flush fails or the power goes.
pub(crate) trait Disk {
    fn length(&self) -> io::Result<u64>;

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Durable only once [`Disk::sync_data`] has returned.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// The file's length is part of what it makes durable (POSIX: "data integrity").
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts off what lies behind `length`, durably.
    fn cut(&self, length: u64) -> io::Result<()>;
}

impl Disk for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, bytes, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.sync_all()
    }
}
