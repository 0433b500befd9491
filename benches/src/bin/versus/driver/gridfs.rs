//! Uploads to GridFS and downloads from it, of one large file and of many files at once. These are
//! "GridFS upload", "GridFS download" and their "multi-file" forms in the specification
//! "Performance Benchmarking".
//!
//! The large file is `gridfs_large.bin` (50 MiB) from `single_and_multi_document.tgz`. The others
//! are the fifty files of `parallel.tgz` (5 MiB each). Both archives are in the folder
//! `MONGODB_BENCHMARK_DATA`. Its default is `../shared/benchmark-data`.
//! Uploads take the bytes from memory. The large file is downloaded to memory, the others to files.

use super::Trial;
use super::measure::{Contender, work};
use super::setup::{DB, Setup};
use super::{Bound, Metric};
use futures_util::io::{AsyncReadExt, AsyncWriteExt};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of files that are transferred together.
const FILES: usize = 50;
const WORKERS: usize = 8;

pub(super) fn cells() -> Vec<Trial> {
    let cell = |what: &str, make: fn(&Setup) -> Vec<Contender>| {
        Trial::new(format!("GridFS {what}"), make)
            .at_most_rounds(5)
            .bound(Metric::Wall, [Bound::must("official", 0.8)])
    };
    vec![
        cell("upload of 50 MiB", upload_large),
        cell("download of 50 MiB", download_large),
        cell("upload of 50 files of 5 MiB", upload_many),
        cell("download of 50 files of 5 MiB", download_many),
    ]
}

fn archive(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("MONGODB_BENCHMARK_DATA").map(PathBuf::from);
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/benchmark-data");
    Some(named.unwrap_or_else(default).join(name)).filter(|path| path.is_file())
}

/// The content of one file of an archive.
fn unpacked(archive: &Path, name: &str) -> Option<Vec<u8>> {
    let mut tar = Command::new("tar")
        .arg("-xzOf")
        .arg(archive)
        .arg(name)
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut bytes = Vec::new();
    tar.stdout.take()?.read_to_end(&mut bytes).ok()?;
    tar.wait().ok()?.success().then_some(bytes)
}

/// The large file.
fn large() -> Option<Arc<Vec<Vec<u8>>>> {
    let archive = archive("single_and_multi_document.tgz")?;
    let bytes = unpacked(&archive, "single_and_multi_document/gridfs_large.bin")?;
    Some(Arc::new(vec![bytes]))
}

/// The many files.
fn many() -> Option<Arc<Vec<Vec<u8>>>> {
    let archive = archive("parallel.tgz")?;
    let listed = Command::new("tar").arg("-tzf").arg(&archive).output().ok()?;
    let listed = String::from_utf8(listed.stdout).ok()?;
    let names =
        listed.lines().filter(|name| name.contains("gridfs_multi/") && !name.ends_with('/'));
    let names: Vec<&str> = names.take(FILES).collect();
    if names.len() < FILES {
        return None;
    }
    let unpack = |name: &&str| unpacked(&archive, name);
    Some(Arc::new(names.iter().map(unpack).collect::<Option<Vec<_>>>()?))
}

/// A folder for downloads. It is removed when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("versus-gridfs-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("there is room for a folder");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Spreads the numbers below `count` over one task per worker.
async fn each<F>(count: usize, one: impl Fn(usize) -> F + Clone + Send + Sync + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let next = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..WORKERS.min(count))
        .map(|_| {
            let (one, next) = (one.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let file = next.fetch_add(1, Ordering::Relaxed);
                    if file >= count {
                        return;
                    }
                    one(file).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("no worker panics");
    }
}

/// Uploads `files` in each operation, into an empty bucket of each client.
fn uploads(setup: &Setup, files: Option<Arc<Vec<Vec<u8>>>>) -> Vec<Contender> {
    let Some(files) = files else { return Vec::new() };
    macro_rules! contender {
        ($name:literal, $client:expr, $Options:path) => {{
            use $Options as Options;
            let (db, files) = ($client.database(DB), Arc::clone(&files));
            let options = Options::builder().bucket_name(concat!("up_", $name).to_owned()).build();
            let work = work(move |_, ops| {
                let (db, files, options) = (db.clone(), Arc::clone(&files), options.clone());
                async move {
                    for _ in 0..ops {
                        let bucket = db.gridfs_bucket(options.clone());
                        bucket.drop().await.expect("a bucket can be dropped");
                        let count = files.len();
                        let files = Arc::clone(&files);
                        each(count, move |file| {
                            let (bucket, files) = (bucket.clone(), Arc::clone(&files));
                            async move {
                                let stream = bucket.open_upload_stream("file").await;
                                let mut stream = stream.expect("an upload can be opened");
                                let written = stream.write_all(&files[file]).await;
                                written.expect("the server takes the chunks");
                                stream.close().await.expect("the server takes the file");
                            }
                        })
                        .await;
                    }
                }
            });
            Contender::tasks($name, &setup.runtime, 1, work)
        }};
    }
    vec![
        contender!("driver", setup.ours, driver::options::GridFsBucketOptions),
        contender!("official", setup.official, mongodb::options::GridFsBucketOptions),
    ]
}

fn upload_large(setup: &Setup) -> Vec<Contender> {
    uploads(setup, large())
}

fn upload_many(setup: &Setup) -> Vec<Contender> {
    uploads(setup, many())
}

/// Uploads `files` into the bucket `name`. Their numbers are the ids.
fn fill(setup: &Setup, name: &str, files: &[Vec<u8>]) {
    let options = driver::options::GridFsBucketOptions::builder();
    let options = options.bucket_name(name.to_owned()).build();
    let bucket = setup.ours.database(DB).gridfs_bucket(options);
    setup.runtime.block_on(async {
        bucket.drop().await.expect("a bucket can be dropped");
        for (number, bytes) in files.iter().enumerate() {
            let upload = bucket.upload_from("file", &bytes[..]).id((number as i32).into());
            upload.await.expect("the server takes the file");
        }
    });
}

fn download_large(setup: &Setup) -> Vec<Contender> {
    const BUCKET: &str = "down_large";
    let Some(files) = large() else { return Vec::new() };
    fill(setup, BUCKET, &files);
    let length = files[0].len();
    macro_rules! contender {
        ($name:literal, $client:expr, $Options:path) => {{
            use $Options as Options;
            let options = Options::builder().bucket_name(BUCKET.to_owned()).build();
            let bucket = $client.database(DB).gridfs_bucket(options);
            let work = work(move |_, ops| {
                let bucket = bucket.clone();
                async move {
                    for _ in 0..ops {
                        let stream = bucket.open_download_stream(0_i32.into()).await;
                        let mut bytes = Vec::new();
                        let mut stream = stream.expect("the file is there");
                        stream.read_to_end(&mut bytes).await.expect("its chunks are there");
                        assert_eq!(bytes.len(), length);
                    }
                }
            });
            Contender::tasks($name, &setup.runtime, 1, work)
        }};
    }
    vec![
        contender!("driver", setup.ours, driver::options::GridFsBucketOptions),
        contender!("official", setup.official, mongodb::options::GridFsBucketOptions),
    ]
}

fn download_many(setup: &Setup) -> Vec<Contender> {
    const BUCKET: &str = "down_many";
    let Some(files) = many() else { return Vec::new() };
    fill(setup, BUCKET, &files);
    let folder = Arc::new(Folder::new());
    macro_rules! contender {
        ($name:literal, $client:expr, $Options:path) => {{
            use $Options as Options;
            let options = Options::builder().bucket_name(BUCKET.to_owned()).build();
            let (bucket, folder) = ($client.database(DB).gridfs_bucket(options), folder.clone());
            let work = work(move |_, ops| {
                let (bucket, folder) = (bucket.clone(), Arc::clone(&folder));
                async move {
                    for _ in 0..ops {
                        let (bucket, folder) = (bucket.clone(), Arc::clone(&folder));
                        each(FILES, move |file| {
                            let (bucket, folder) = (bucket.clone(), Arc::clone(&folder));
                            async move {
                                let stream = bucket.open_download_stream((file as i32).into());
                                let mut stream = stream.await.expect("the file is there");
                                let path = folder.0.join(format!("{}{file}", $name));
                                let mut to = std::fs::File::create(path).expect("there is room");
                                let mut buffer = vec![0; 256 * 1024];
                                loop {
                                    let read = stream.read(&mut buffer).await;
                                    match read.expect("its chunks are there") {
                                        0 => return,
                                        read => {
                                            let written =
                                                std::io::Write::write_all(&mut to, &buffer[..read]);
                                            written.expect("there is room");
                                        }
                                    }
                                }
                            }
                        })
                        .await;
                    }
                }
            });
            Contender::tasks($name, &setup.runtime, 1, work)
        }};
    }
    vec![
        contender!("driver", setup.ours, driver::options::GridFsBucketOptions),
        contender!("official", setup.official, mongodb::options::GridFsBucketOptions),
    ]
}
