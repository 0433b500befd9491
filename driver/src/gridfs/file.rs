//! The files document, and the layout of the chunks.

use bson::{Bson, DateTime, Document};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, GridFsErrorKind, Result};
use crate::wire::scan::whole;

/// A document of the files collection of a bucket: one file.
///
/// Queries use the stored field names: `_id`, `length`, `chunkSize`, `uploadDate`, `filename`, and
/// `metadata` with its fields, such as `metadata.type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FilesCollectionDocument {
    /// The id of the file.
    #[serde(rename = "_id")]
    pub id: Bson,
    /// The number of bytes.
    #[serde(serialize_with = "as_i64", deserialize_with = "number")]
    pub length: u64,
    /// The number of bytes in each chunk except the last.
    #[serde(rename = "chunkSize", serialize_with = "as_i32", deserialize_with = "number")]
    pub chunk_size_bytes: u32,
    /// The time at which the upload was completed.
    pub upload_date: DateTime,
    /// The name. Several files can have the same name, and files of other programs may have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// The metadata of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Document>,
}

fn as_i64<S: Serializer>(value: &u64, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_i64(i64::try_from(*value).unwrap_or(i64::MAX))
}

fn as_i32<S: Serializer>(value: &u32, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    match i32::try_from(*value) {
        Ok(value) => serializer.serialize_i32(value),
        Err(_) => serializer.serialize_i64(i64::from(*value)),
    }
}

/// Reads a number of any numeric type, because other programs may store doubles (section "Terms").
fn number<'de, D: Deserializer<'de>, N: TryFrom<u64>>(
    deserializer: D,
) -> std::result::Result<N, D::Error> {
    let value = Bson::deserialize(deserializer)?;
    let number = match &value {
        Bson::Int32(n) => Some(i64::from(*n)),
        Bson::Int64(n) => Some(*n),
        Bson::Double(n) => whole(*n),
        Bson::Decimal128(n) => n.to_string().parse().ok().and_then(whole),
        _ => None,
    };
    let number = number.and_then(|n| u64::try_from(n).ok()).and_then(|n| N::try_from(n).ok());
    number.ok_or_else(|| D::Error::custom(format_args!("{value} is not a number of bytes")))
}

/// The layout of a file in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) length: u64,
    chunk_size: u32,
    /// The number of chunks.
    pub(super) count: u32,
}

impl Layout {
    /// # Errors
    /// `CorruptFile` if the document is inconsistent.
    pub(super) fn of(file: &FilesCollectionDocument) -> Result<Self> {
        let FilesCollectionDocument { length, chunk_size_bytes: chunk_size, .. } = *file;
        let corrupt = |message: String| {
            let file_id = file.id.clone();
            Error::gridfs(GridFsErrorKind::CorruptFile { file_id, message })
        };
        if length == 0 {
            return Ok(Layout { length, chunk_size: chunk_size.max(1), count: 0 });
        }
        if chunk_size == 0 {
            return Err(corrupt(format!("it has {length} bytes, but a chunk size of 0")));
        }
        let count = u32::try_from(length.div_ceil(chunk_size.into())).map_err(|_| {
            corrupt(format!("{length} bytes in chunks of {chunk_size} are too many chunks"))
        })?;
        Ok(Layout { length, chunk_size, count })
    }

    /// The chunk with the byte at `position`, and the offset in the chunk.
    pub(super) fn locate(self, position: u64) -> (u32, usize) {
        let size = u64::from(self.chunk_size);
        ((position / size) as u32, (position % size) as usize)
    }

    /// The length of chunk `n` in bytes.
    pub(super) fn size_of(self, n: u32) -> u32 {
        let before = u64::from(n) * u64::from(self.chunk_size);
        self.length.saturating_sub(before).min(self.chunk_size.into()) as u32
    }

    /// The number of chunks that fit into `bytes`, at least one.
    pub(super) fn chunks_in(self, bytes: u32) -> u32 {
        (bytes / self.chunk_size).max(1)
    }

    /// The number of chunks in a batch when reading `chunks` chunks: as many as fit into `most`
    /// bytes, evenly distributed.
    ///
    /// Requests one chunk more than there are, so that the last batch shows the end.
    pub(super) fn batch_size(self, chunks: u32, most: u32) -> u32 {
        let asked = chunks.saturating_add(1);
        asked.div_ceil(asked.div_ceil(self.chunks_in(most))).max(2)
    }
}

#[cfg(test)]
mod tests {
    use bson::{doc, oid::ObjectId};

    use super::*;

    fn file(length: impl Into<Bson>, chunk_size: impl Into<Bson>) -> FilesCollectionDocument {
        let id = ObjectId::from_bytes([1; 12]);
        let date = DateTime::from_millis(0);
        let document = doc! {
            "_id": id, "length": length.into(), "chunkSize": chunk_size.into(),
            "uploadDate": date, "md5": "d41d8cd9", "aliases": ["x"],
        };
        bson::deserialize_from_document(document).unwrap()
    }

    #[test]
    fn numbers_of_any_type_are_read() {
        assert_eq!(Layout::of(&file(10.0, 4_i64)).unwrap(), Layout::of(&file(10, 4.0)).unwrap());
        let decimal: bson::Decimal128 = "10".parse().unwrap();
        assert_eq!(file(decimal, 4).length, 10);
        for bad in [Bson::Double(1.5), Bson::Int32(-1), Bson::Null, Bson::String("7".into())] {
            let document =
                doc! { "_id": 1, "length": bad, "chunkSize": 4, "uploadDate": DateTime::now() };
            bson::deserialize_from_document::<FilesCollectionDocument>(document).unwrap_err();
        }
    }

    #[test]
    fn written_document_has_the_types_of_the_specification() {
        let written = bson::serialize_to_document(&file(10.0, 4.0)).unwrap();
        assert_eq!(written.get("length"), Some(&Bson::Int64(10)));
        assert_eq!(written.get("chunkSize"), Some(&Bson::Int32(4)));
        assert!(!written.contains_key("metadata") && !written.contains_key("filename"));
    }

    #[test]
    fn last_chunk_has_the_rest() {
        let layout = Layout::of(&file(10, 4)).unwrap();
        assert_eq!((layout.count, layout.size_of(0), layout.size_of(2)), (3, 4, 2));
        let even = Layout::of(&file(8, 4)).unwrap();
        assert_eq!((even.count, even.size_of(1), even.locate(7)), (2, 4, (1, 3)));
        assert_eq!(Layout::of(&file(0, 0)).unwrap().count, 0);
    }

    #[test]
    fn impossible_layouts_are_refused() {
        for (length, chunk_size) in [(1_i64, 0), (i64::MAX, 1)] {
            let error = Layout::of(&file(length, chunk_size)).unwrap_err().to_string();
            assert!(error.contains("010101010101010101010101"), "{error}");
        }
    }

    #[test]
    fn batches_of_a_download_are_even_and_end_with_the_file() {
        let layout = Layout::of(&file(1000, 10)).unwrap();
        assert_eq!(layout.batch_size(100, 160), 15, "seven batches for 101");
        assert_eq!(layout.batch_size(15, 160), 16, "one batch for 16");
        assert_eq!(layout.batch_size(16, 160), 9, "two batches for 17");
        assert_eq!(layout.batch_size(1, 160), 2);
        assert_eq!(layout.batch_size(100, 1), 2);
    }
}
