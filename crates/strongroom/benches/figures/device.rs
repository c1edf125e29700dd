//! What the disk itself takes to make bytes durable: no journal on it can be faster.

use std::{fs::File, io::Write, time::Instant};

use crate::{load::Watch, report::Lab};

const APPENDS: usize = 500;

/// Appends `bytes` bytes at a time to a file and flushes them.
pub fn measure(lab: &Lab, name: &str, bytes: usize) {
    let watch = Watch::begin();
    let path = lab.path("device");
    let mut file = File::create(&path).expect("the folder can be written");
    let block = vec![0x5a; bytes];
    let mut took = Vec::with_capacity(APPENDS);
    for _ in 0..APPENDS {
        let begun = Instant::now();
        file.write_all(&block).expect("there is room");
        file.sync_data().expect("the disk works");
        took.push(begun.elapsed());
    }
    drop(file);
    std::fs::remove_file(&path).expect("it was made above");
    let conditions = format!("write and fdatasync of {bytes} bytes at a file's end");
    lab.latencies(&watch, &format!("{name}/device"), &mut took, &conditions);
}
