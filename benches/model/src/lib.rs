//! Does random operations on a mount and on a plain directory side by side, and compares what they answer and leave behind.
//!
//! [`strategy`] makes up operations ([`op`], written as a [`script`] of [`words`]), [`world`] does them by [`sys`] calls in a
//! directory, [`observe`] looks at everything, [`compare`] compares but for the known [`differences`], [`pair`] takes one
//! sequence through both sides, [`shrink`] simplifies one that fails, [`runner`] does all that again and again. [`probe`]
//! finds out what can't be compared. Knows nothing of FerroFuse: any two directories will do.

pub mod compare;
pub mod differences;
pub mod observe;
pub mod op;
pub mod pair;
pub mod probe;
pub mod runner;
pub mod script;
pub mod shrink;
pub mod strategy;
pub mod sys;
#[macro_use]
pub mod words;
pub mod world;
