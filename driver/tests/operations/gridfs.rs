//! GridFS buckets (specification "GridFS").

mod buckets;
mod downloads;
mod dropped;
mod failures;
mod indexes;
mod uploads;

use driver::bson::{Bson, Document, doc};
use driver::collection::Collection;
use driver::error::{ErrorKind, GridFsErrorKind, GridFsFileIdentifier};
use driver::gridfs::{GridFsBucket, GridFsUploadStream};
use driver::{Error, Result};
use testbed::shared_standalone;

use crate::files::Files;
use crate::observed::Observed;

/// A separate bucket on `observed`.
fn bucket<F: Files>(observed: &Observed<F>) -> GridFsBucket<F> {
    observed.database().gridfs_bucket(None)
}

fn standalone<F: Files>() -> Observed<F> {
    Observed::of(&shared_standalone().unwrap().uri())
}

fn files<F: Files>(observed: &Observed<F>) -> Collection<Document, F> {
    observed.database().collection("fs.files")
}

fn chunks<F: Files>(observed: &Observed<F>) -> Collection<Document, F> {
    observed.database().collection("fs.chunks")
}

fn all<F: Files>(collection: &Collection<Document, F>) -> Vec<Document> {
    F::collect(F::end(collection.find(doc! {}).sort(doc! { "n": 1 })).unwrap()).unwrap()
}

/// Bytes that depend on their position.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i % 251) as u8).collect()
}

fn upload<F: Files>(bucket: &GridFsBucket<F>, name: &str, bytes: &[u8], chunk: u32) -> Bson {
    F::upload(bucket.upload_from(name, bytes).chunk_size_bytes(chunk)).unwrap()
}

fn download<F: Files>(bucket: &GridFsBucket<F>, id: &Bson) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let length = F::download(bucket.download_to(id.clone(), &mut all))?;
    assert_eq!(length, all.len() as u64);
    Ok(all)
}

fn gridfs(error: &Error) -> &GridFsErrorKind {
    match error.kind() {
        ErrorKind::GridFs(kind) => kind,
        other => panic!("{other:?}"),
    }
}

fn not_found(outcome: Result<impl Sized>, wanted: GridFsFileIdentifier) {
    let error = outcome.map(drop).unwrap_err();
    let GridFsErrorKind::FileNotFound { identifier, .. } = gridfs(&error) else {
        panic!("{error:?}");
    };
    assert_eq!(*identifier, wanted);
}

/// A stream that has sent some chunks, and has further bytes in its buffer.
fn half_uploaded<F: Files>(bucket: &GridFsBucket<F>) -> GridFsUploadStream<F> {
    let mut stream = F::end(bucket.open_upload_stream("half").chunk_size_bytes(2)).unwrap();
    F::write_all(&mut stream, &bytes(4001)).unwrap();
    stream
}
