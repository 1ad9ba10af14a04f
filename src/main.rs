//! The `flowhook` program.

fn main() {}
