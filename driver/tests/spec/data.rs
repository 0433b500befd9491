//! Finds and reads the case files of the specifications.

use std::path::{Path, PathBuf};

/// The folder with one subfolder per specification; `None` if there is no data.
///
/// # Errors
/// `MONGODB_SPECIFICATIONS` does not name a folder.
pub(crate) fn folder() -> Result<Option<PathBuf>, String> {
    if let Some(folder) = std::env::var_os("MONGODB_SPECIFICATIONS") {
        let folder = PathBuf::from(folder);
        return if folder.is_dir() {
            Ok(Some(folder))
        } else {
            Err(format!("MONGODB_SPECIFICATIONS names {}, which is not a folder", folder.display()))
        };
    }
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/specifications");
    Ok(default.is_dir().then_some(default))
}

/// The `.json` files in `folder` and its subfolders, sorted by name.
pub(crate) fn case_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        collect(&folder, &mut files, &mut folders)?;
    }
    files.sort();
    if files.is_empty() {
        Err(format!("{} contains no case files", folder.display()))
    } else {
        Ok(files)
    }
}

fn collect(
    folder: &Path,
    files: &mut Vec<PathBuf>,
    folders: &mut Vec<PathBuf>,
) -> Result<(), String> {
    let unreadable = |e: std::io::Error| format!("cannot list {}: {e}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        } else if path.is_dir() {
            folders.push(path);
        }
    }
    Ok(())
}

/// A case file, parsed as JSON.
pub(crate) fn read(file: &Path) -> Result<serde_json::Value, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| format!("cannot read {}: {e}", file.display()))?;
    serde_json::from_str(&text).map_err(|e| format!("{} is not JSON: {e}", file.display()))
}
