#![no_main]

use argus_guests_tests::fuzz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::create(bytes));
