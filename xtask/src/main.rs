//! x
#[cfg_attr(not(test), expect(dead_code, reason = "the package command will call it"))]
mod licences;
fn main() {}
