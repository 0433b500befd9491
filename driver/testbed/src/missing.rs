//! Explains why an executable does not run: the missing library and its package.

use std::{path::Path, process::ExitStatus};

/// Debian and Ubuntu packages of the libraries that the servers need.
const PACKAGES: &[(&str, &str)] = &[
    ("libcurl.so.4", "libcurl4"),
    ("liblzma.so.5", "liblzma5"),
    ("libssl.so.3", "libssl3"),
    ("libcrypto.so.3", "libssl3"),
    ("libssl.so.1.1", "libssl1.1"),
    ("libcrypto.so.1.1", "libssl1.1"),
    ("libgcc_s.so.1", "libgcc-s1"),
    ("libz.so.1", "zlib1g"),
    ("libgssapi_krb5.so.2", "libgssapi-krb5-2"),
    ("libldap-2.5.so.0", "libldap-2.5-0"),
    ("libsasl2.so.2", "libsasl2-2"),
];

/// Explains `complaint`, the output of an executable that ended with `status`.
pub(crate) fn explain(path: &Path, complaint: &str, status: ExitStatus) -> String {
    let path = path.display();
    if let Some(library) = library(complaint) {
        let remedy = match PACKAGES.iter().find(|(name, _)| *name == library) {
            Some((_, package)) => {
                format!("install it (Debian and Ubuntu: apt-get install {package})")
            }
            None => "install the package that provides it".into(),
        };
        return format!(
            "{path} needs the shared library {library}, which this system lacks; {remedy}"
        );
    }
    if let Some(symbol) = complaint.split('`').nth(1).and_then(|rest| rest.split('\'').next())
        && complaint.contains("version `")
    {
        return format!(
            "{path} needs {symbol}, and this system's libraries are older; use a newer system"
        );
    }
    format!("{path} is not a mongod that runs here ({status}): {complaint}")
}

/// The library that the loader did not find.
fn library(complaint: &str) -> Option<&str> {
    let (_, rest) = complaint.split_once("error while loading shared libraries: ")?;
    let (library, rest) = rest.split_once(':')?;
    rest.contains("cannot open shared object file").then_some(library)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn explained(complaint: &str) -> String {
        explain(Path::new("/cache/mongod"), complaint, ExitStatus::from_raw(127 << 8))
    }

    #[test]
    fn error_names_the_missing_library_and_its_package() {
        let text = explained(
            "/cache/mongod: error while loading shared libraries: libcurl.so.4: cannot open \
             shared object file: No such file or directory",
        );
        assert!(
            text.contains("libcurl.so.4") && text.contains("apt-get install libcurl4"),
            "{text}"
        );
    }

    #[test]
    fn error_names_the_outdated_library() {
        let text = explained(
            "/cache/mongod: /lib/libc.so.6: version `GLIBC_2.35' not found (required by mongod)",
        );
        assert!(text.contains("GLIBC_2.35") && text.contains("newer system"), "{text}");
    }

    #[test]
    fn other_output_is_quoted() {
        assert!(explained("Illegal instruction").contains("Illegal instruction"));
    }
}
