//! GridFS buckets.

use bson::{Bson, Document};
use driver::options::{
    GridFsDownloadByNameOptions, GridFsDownloadOptions, GridFsFindOptions, GridFsUploadOptions,
};

use super::{Answer, Kind, Read, Registry, on_bucket};
use crate::unified::Steps;
use crate::unified::arguments::{Arguments, fill};
use crate::unified::stop::Stop;

pub(super) fn register<F: Steps>(registry: &mut Registry<F>) {
    registry.add(Kind::Bucket, "delete", delete);
    registry.add(Kind::Bucket, "deleteByName", delete_by_name);
    registry.add(Kind::Bucket, "download", download);
    registry.add(Kind::Bucket, "downloadByName", download_by_name);
    registry.add(Kind::Bucket, "drop", drop_bucket);
    registry.add(Kind::Bucket, "find", find);
    registry.add(Kind::Bucket, "rename", rename);
    registry.add(Kind::Bucket, "renameByName", rename_by_name);
    registry.add(Kind::Bucket, "upload", upload);
    registry.add(Kind::Bucket, "uploadWithId", upload_with_id);
}

/// Runs an operation with the timeout in its arguments.
macro_rules! end {
    ($F:ident, $operation:expr, $timeout:ident) => {{
        use driver::ops::Operation;
        $F::end($operation.optional($timeout, |operation, timeout| operation.timeout(timeout)))
    }};
}

fn delete<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let id: Bson = arguments.required("id")?;
    let timeout = arguments.millis("timeoutMS")?;
    on_bucket(move |bucket| end!(F, bucket.delete(id), timeout).map(|()| Answer::Nothing))
}

fn delete_by_name<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let filename: String = arguments.required("filename")?;
    let timeout = arguments.millis("timeoutMS")?;
    on_bucket(move |bucket| {
        end!(F, bucket.delete_by_name(filename), timeout).map(|()| Answer::Nothing)
    })
}

fn rename<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let id: Bson = arguments.required("id")?;
    let new: String = arguments.required("newFilename")?;
    let timeout = arguments.millis("timeoutMS")?;
    on_bucket(move |bucket| end!(F, bucket.rename(id, new), timeout).map(|()| Answer::Nothing))
}

fn rename_by_name<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let filename: String = arguments.required("filename")?;
    let new: String = arguments.required("newFilename")?;
    let timeout = arguments.millis("timeoutMS")?;
    on_bucket(move |bucket| {
        end!(F, bucket.rename_by_name(filename, new), timeout).map(|()| Answer::Nothing)
    })
}

fn drop_bucket<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let timeout = arguments.millis("timeoutMS")?;
    on_bucket(move |bucket| end!(F, bucket.drop(), timeout).map(|()| Answer::Nothing))
}

fn find<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let filter: Document = arguments.required("filter")?;
    let mut options = GridFsFindOptions::default();
    fill!(options from arguments:
        allow_disk_use = "allowDiskUse", batch_size = "batchSize", limit = "limit", skip = "skip",
        sort = "sort");
    options.max_time = arguments.millis("maxTimeMS")?;
    on_bucket(move |bucket| {
        let found = F::end(bucket.find(filter).with_options(options))?;
        F::collect(found.with_type()).map(Answer::Documents)
    })
}

fn download<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let id: Bson = arguments.required("id")?;
    let mut options = GridFsDownloadOptions::default();
    options.timeout = arguments.millis("timeoutMS")?;
    on_bucket(move |bucket| {
        let mut bytes = Vec::new();
        F::download(bucket.download_to(id, &mut bytes).with_options(options))?;
        Ok(binary(bytes))
    })
}

fn download_by_name<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let filename: String = arguments.required("filename")?;
    let mut options = GridFsDownloadByNameOptions::default();
    options.revision = arguments.option("revision")?;
    options.timeout = arguments.millis("timeoutMS")?;
    on_bucket(move |bucket| {
        let mut bytes = Vec::new();
        let download = bucket.download_to_by_name(filename, &mut bytes).with_options(options);
        F::download_by_name(download)?;
        Ok(binary(bytes))
    })
}

fn binary<F: Steps>(bytes: Vec<u8>) -> Answer<F> {
    let subtype = bson::spec::BinarySubtype::Generic;
    Bson::Binary(bson::Binary { subtype, bytes }).into()
}

fn upload<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    uploaded(arguments, None)
}

fn upload_with_id<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let id = arguments.required("id")?;
    uploaded(arguments, Some(id))
}

fn uploaded<F: Steps>(arguments: &mut Arguments, id: Option<Bson>) -> Read<F> {
    let filename: String = arguments.required("filename")?;
    let source = bytes(&arguments.required("source")?)?;
    // Digests were removed from the specification.
    let _: Option<bool> = arguments.option("disableMD5")?;
    let mut options = GridFsUploadOptions::default();
    fill!(options from arguments: chunk_size_bytes = "chunkSizeBytes", metadata = "metadata");
    on_bucket(move |bucket| {
        let upload = bucket.upload_from(filename, &source[..]).with_options(options);
        let upload = match id {
            Some(id) => upload.id(id),
            None => upload,
        };
        F::upload(upload).map(Answer::from)
    })
}

/// The bytes of `{ $$hexBytes: .. }`.
fn bytes(source: &Document) -> Result<Vec<u8>, Stop> {
    let hex = source.get_str("$$hexBytes").map_err(|e| e.to_string())?;
    let byte = |at: usize| hex.get(at..at + 2).and_then(|byte| u8::from_str_radix(byte, 16).ok());
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
    bytes.ok_or_else(|| format!("{hex:?} is not hexadecimal").into())
}
