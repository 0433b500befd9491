#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| driver::conformance::fuzz::decode(data));
