//! Choosing a mutant by its name.
//!
//! A name that is none is an error that says so: a run that was to break a rule and breaks none
//! would look like one that passed.

use alloc::borrow::ToOwned;
use core::fmt;
use core::str::FromStr;

use super::Mutant;
use crate::value::NotA;

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mutant {
    type Err = NotA;

    fn from_str(text: &str) -> Result<Self, NotA> {
        let found = Self::ALL.iter().find(|mutant| mutant.name() == text);
        found.copied().ok_or_else(|| NotA {
            text: text.to_owned(),
            wanted: "the name of a mutant",
        })
    }
}
