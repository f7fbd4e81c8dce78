//! The storage of a custem that was built without object storage: there is none.
//!
//! A run says so, and goes on without.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::outside::Version;
use super::trouble::Trouble;

/// Nothing can be one.
#[derive(Debug)]
pub enum Storage {}

impl Storage {
    pub fn open(_url: &str, _root: &Path, _stop: &Arc<AtomicBool>) -> Result<Self, Trouble> {
        Err(Trouble::Away("this custem was built without the cargo feature `remote`".to_owned()))
    }

    pub fn read(&self, _name: &str, _most: u64) -> Result<Vec<u8>, Trouble> {
        match *self {}
    }

    pub fn stream(
        &self,
        _name: &str,
        _take: &mut dyn FnMut(&[u8]) -> Result<bool, Trouble>,
    ) -> Result<(), Trouble> {
        match *self {}
    }

    pub fn version(&self, _name: &str) -> Result<Option<Version>, Trouble> {
        match *self {}
    }

    pub fn size(&self, _name: &str) -> Result<Option<u64>, Trouble> {
        match *self {}
    }

    pub fn write(&self, _name: &str, _bytes: Vec<u8>) -> Result<(), Trouble> {
        match *self {}
    }

    pub fn upload(&self, _name: &str, _path: &Path) -> Result<(), Trouble> {
        match *self {}
    }

    pub fn list(&self, _folder: &str) -> Result<Vec<(String, u64)>, Trouble> {
        match *self {}
    }
}
