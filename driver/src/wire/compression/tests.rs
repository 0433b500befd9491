//! Messages through every built-in codec, and malformed messages.

use bson::raw::cstr;

use super::*;
use crate::wire::message::RequestIds;
use crate::wire::{Flags, MessageWriter};

fn codecs() -> Vec<Codec> {
    [
        Compressor::Snappy,
        Compressor::Zlib { level: None },
        Compressor::Zlib { level: Some(-1) },
        Compressor::Zlib { level: Some(0) },
        Compressor::Zlib { level: Some(9) },
        Compressor::Zstd { level: None },
        Compressor::Zstd { level: Some(19) },
    ]
    .iter()
    .filter_map(Codec::of)
    .collect()
}

fn message(command: &bson::raw::CStr, size: usize) -> Vec<u8> {
    let mut buf = Vec::new();
    {
        let mut message = MessageWriter::begin(&mut buf, RequestIds::new().next(), Flags::NONE);
        let mut body = message.body();
        body.i32(command, 1);
        body.str(cstr!("text"), &"monkey ".repeat(size / 7));
    }
    crate::wire::message::finish(&mut buf, MAX_MESSAGE_SIZE).unwrap();
    buf
}

#[test]
fn messages_survive_compression() {
    for codec in codecs() {
        for size in [0, 100, 100_000, 5_000_000] {
            let message = message(cstr!("find"), size);
            let (mut packed, mut out) = (vec![1], vec![2]);
            codec.compress(&message, &mut packed).unwrap();
            assert!(is_compressed(&packed) && !is_compressed(&message));
            assert_eq!(i32_at(&packed, 0), i32::try_from(packed.len()).ok());
            decompress(&packed, &mut out).unwrap();
            assert!(out == message, "{codec:?} {size}");
        }
    }
}

#[test]
fn commands_with_secrets_are_not_compressed() {
    assert!(Codec::is_allowed_for(&message(cstr!("find"), 10)));
    for secret in [
        cstr!("hello"),
        cstr!("saslStart"),
        cstr!("saslContinue"),
        cstr!("createUser"),
        cstr!("authenticate"),
        cstr!("copydbgetnonce"),
    ] {
        assert!(!Codec::is_allowed_for(&message(secret, 10)));
    }
}

/// Any bytes give an error or a message, without a panic and with bounded memory.
#[test]
fn malformed_messages_neither_panic_nor_exhaust_memory() {
    let mut random = fastrand::Rng::with_seed(7);
    for codec in codecs() {
        let message = message(cstr!("find"), 3000);
        let mut packed = Vec::new();
        codec.compress(&message, &mut packed).unwrap();
        let mut out = Vec::new();
        for cut in 0..packed.len() {
            assert!(decompress(&packed[..cut], &mut out).is_err(), "{codec:?} cut at {cut}");
        }
        for claim in [
            -1,
            0,
            1,
            i32::MAX,
            48_000_000,
            i32_at(&packed, 20).unwrap() - 1,
            i32_at(&packed, 20).unwrap() + 1,
        ] {
            let mut lie = packed.clone();
            lie[20..24].copy_from_slice(&claim.to_le_bytes());
            let mut out = Vec::new();
            assert!(decompress(&lie, &mut out).is_err(), "{codec:?} {claim}");
            assert!(out.capacity() < 100_000, "{codec:?} {claim}: {}", out.capacity());
        }
        for _ in 0..2000 {
            let mut garbled = packed.clone();
            let at = random.usize(HEADER_LEN..garbled.len());
            garbled[at] ^= random.u8(1..);
            let _ = decompress(&garbled, &mut out);
            assert!(out.len() <= MAX_MESSAGE_SIZE);
        }
    }
}

#[test]
fn error_names_the_unknown_compressor() {
    let mut frame = vec![0; PROLOGUE + 4];
    frame[PROLOGUE - 1] = 77;
    frame[20..24].copy_from_slice(&4_i32.to_le_bytes());
    let error = decompress(&frame, &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("77"), "{error}");
}
