//! The `bitmill` program.
fn main() {}
