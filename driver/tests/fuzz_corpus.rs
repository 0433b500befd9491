//! Runs the fuzz targets (`driver/fuzz`) on their corpora.

use std::path::Path;

use driver::conformance::fuzz;

/// Runs `target` on every file of its corpus. An unreadable file or an empty corpus fails.
/// Unoptimised targets may need more than a test's default stack.
fn feed(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let files = std::fs::read_dir(&folder).unwrap();
    let all =
        move || files.map(|entry| target(&std::fs::read(entry.unwrap().path()).unwrap())).count();
    let fed = std::thread::Builder::new().stack_size(64 << 20).spawn(all).unwrap().join().unwrap();
    assert!(fed > 0, "{} is empty", folder.display());
}

#[test]
fn framing() {
    feed("framing", fuzz::framing);
}

#[test]
fn compressed() {
    feed("compressed", fuzz::compressed);
}

#[test]
fn uri() {
    feed("uri", fuzz::uri);
}

#[test]
fn scram() {
    feed("scram", fuzz::scram);
}

#[test]
fn records() {
    feed("records", fuzz::records);
}

#[test]
fn decode() {
    feed("decode", fuzz::decode);
}
