//! Static libraries: what is in one ([`read`]), and the form in which an archive carries it ([`normalise`]).

pub mod normalise;
pub mod private;
pub mod read;
