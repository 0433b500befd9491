//! The versions of the measured crates, from the lock file of the build.

const LOCK_FILE: &str = include_str!("../../Cargo.lock");

/// The version of `package` in the lock file. If there are several, the last, which is the highest:
/// Cargo lists them in ascending order. `None` if the file does not have the package.
pub fn version_of(package: &str) -> Option<&'static str> {
    let heading = format!("name = \"{package}\"");
    let mut lines = LOCK_FILE.lines();
    let mut found = None;
    while let Some(line) = lines.next() {
        if line == heading {
            found =
                lines.next().and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_lock_file() {
        assert_eq!(version_of("benches"), Some(env!("CARGO_PKG_VERSION")));
        assert_eq!(version_of("no-such-package"), None);
    }
}
