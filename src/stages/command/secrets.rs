//! Secrets: variables of custem's own environment that a program gets, and that nothing else ever shows.

use std::ffi::OsString;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::Result;
use memchr::memmem::Finder;

use super::mask::Mask;
use crate::diagnostic::shown;
use crate::stage::Failure;

/// What is shorter would be found in words that have nothing to do with it.
pub const SHORTEST: usize = 4;

/// How much of a file is looked through at once.
const BLOCK: usize = 1 << 20;

/// The secrets of a stage.
pub struct Secrets {
    /// Names with their values.
    pub variables: Vec<(String, OsString)>,
}

impl Secrets {
    /// Takes the variables with these names from the environment.
    ///
    /// # Errors
    /// When one of them is not set.
    pub fn read(names: &[String]) -> Result<Self, Failure> {
        let one = |(at, name): (usize, &String)| match std::env::var_os(name) {
            Some(value) if !value.is_empty() => Ok((name.clone(), value)),
            _ => Err(unset(name).at(format!("secrets.{at}"))),
        };
        Ok(Self { variables: names.iter().enumerate().map(one).collect::<Result<_, _>>()? })
    }

    /// A filter for what a program prints: a value is found whole, and so is each of its lines.
    pub fn mask(&self) -> Mask {
        Mask::new(self.variables.iter().flat_map(|(_, value)| forms(value)).collect())
    }

    /// Text with the values in it replaced.
    pub fn masked(&self, text: &str) -> String {
        let mut mask = self.mask();
        let mut bytes = mask.take(text.as_bytes()).into_owned();
        bytes.extend(mask.finish());
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The names of those whose values are too short to be found.
    pub fn too_short(&self) -> impl Iterator<Item = (usize, &str)> {
        let short = |(_, (_, value)): &(usize, &(String, OsString))| forms(value).is_empty();
        self.variables.iter().enumerate().filter(short).map(|(at, (name, _))| (at, name.as_str()))
    }

    /// The name of one whose value stands in a file as it is.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn found_in(&self, path: &Path) -> Result<Option<&str>> {
        for (name, value) in &self.variables {
            for form in forms(value) {
                if holds(fs_err::File::open(path)?, &form)? {
                    return Ok(Some(name));
                }
            }
        }
        Ok(None)
    }
}

fn unset(name: &str) -> Failure {
    Failure::new(format!("the secret `{}` is not set", shown(name)))
        .hint("it is taken from the environment that custem is started in, and an empty one counts as none")
}

/// What a value is looked for as: as it is, and line by line.
fn forms(value: &OsString) -> Vec<Vec<u8>> {
    let bytes = value.as_bytes();
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut forms: Vec<_> = lines.chain([bytes]).map(<[u8]>::to_vec).collect();
    forms.retain(|form| form.len() >= SHORTEST);
    forms.sort();
    forms.dedup();
    forms
}

/// Whether bytes stand somewhere in what is read.
fn holds(mut file: impl Read, wanted: &[u8]) -> Result<bool> {
    let finder = Finder::new(wanted);
    let mut block = vec![0; BLOCK + wanted.len()];
    let mut kept = 0;
    loop {
        let count = match file.read(&mut block[kept..]) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        let end = kept + count;
        if finder.find(&block[..end]).is_some() {
            return Ok(true);
        }
        // A value may begin in this block and end in the next one.
        let start = end.saturating_sub(wanted.len() - 1);
        block.copy_within(start..end, 0);
        kept = end - start;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::{BLOCK, Secrets, holds};

    #[test]
    fn a_value_is_found_across_blocks() {
        for before in BLOCK - 3..BLOCK + 12 {
            let text = [vec![b'x'; before], b"hunter2".to_vec(), vec![b'x'; 10]].concat();
            assert!(holds(text.as_slice(), b"hunter2").unwrap());
            assert!(!holds(text.as_slice(), b"hunter3").unwrap());
        }
        assert!(holds(b"hun".chain(b"ter2".as_slice()), b"hunter2").unwrap());
    }

    #[test]
    fn every_line_of_a_value_is_masked() {
        let value = "-----BEGIN-----\nabcdef\nxy\n-----END-----\n";
        let secrets = Secrets { variables: vec![("KEY".to_owned(), value.into())] };
        assert_eq!(secrets.masked("line 2: abcdef, 3: xy"), "line 2: ***, 3: xy");
        assert_eq!(secrets.masked(&format!("<{value}>")), "<***>");
        let short = Secrets { variables: vec![("PIN".to_owned(), "123".into())] };
        assert_eq!(short.masked("123"), "123");
        assert_eq!(short.too_short().collect::<Vec<_>>(), [(0, "PIN")]);
    }
}
