//! The subcommands: what each does with its flags, in a file of its name.

pub mod again;
pub mod bench;
pub mod build_v8;
pub mod cache;
pub mod ci;
pub mod clean;
pub mod completions;
pub mod doctor;
pub mod fuzz;
pub mod link_line;
pub mod lock;
pub mod package;
pub mod plan;
pub mod publish;
pub mod report;
pub mod roll;
pub mod smoke;
pub mod source;
pub mod targets;
pub mod test;
pub mod toolchain;
pub mod verify;
