#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| flowhook_fuzz::document::check(input));
