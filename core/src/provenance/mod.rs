//! Where the labels of a project come from: who or what made every change, when, and from what, each entry linked to
//! the one before by its hash.
//!
//! The chain is the file `provenance.jsonl` of a project, one JSON object a line. An entry's `hash` is the SHA-256 of
//! its line without that field, and the line holds the hash of the entry before: nothing can be taken out, put in or
//! changed without every later hash being wrong. (Whoever writes the whole file anew can make a chain that fits;
//! keep the last hash elsewhere where that matters.)

mod chain;
mod entry;
mod verify;

pub(crate) use chain::Chain;
pub use chain::{CHAIN_FILE, read_chain};
pub(crate) use entry::hex;
pub use entry::{Action, Entry, Origin, UsedModel};
pub use verify::{Attested, ChainFault, Verdict, verify};
