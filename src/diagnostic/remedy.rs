//! What to do about errors of the system: a full disk, a folder that can't be written.

use std::io::ErrorKind;

/// Advice for an error that has one of the system's among its causes.
pub fn remedy(error: &anyhow::Error) -> Option<&'static str> {
    let io = |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref().map(std::io::Error::kind);
    error.chain().filter_map(io).find_map(advice)
}

fn advice(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Some("make room on the disk and run again: everything finished is kept")
        }
        ErrorKind::FileTooLarge => {
            Some("files may not grow so large here (`ulimit -f`): raise the limit and run again")
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Some("make it readable and writable, or work in another folder with `--root`")
        }
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => Some(
            "a file stands where a folder should be: move it away, or work in another folder with `--root`",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use anyhow::Context;

    use super::remedy;

    #[test]
    fn a_cause_deep_down_is_found() {
        let full = || Err::<(), _>(Error::from(ErrorKind::StorageFull));
        let error = full().context("can't write").context("stage").unwrap_err();
        assert!(remedy(&error).unwrap().starts_with("make room on the disk"));
        assert_eq!(remedy(&anyhow::anyhow!("no luck")), None);
        assert_eq!(remedy(&Error::from(ErrorKind::UnexpectedEof).into()), None);
    }
}
