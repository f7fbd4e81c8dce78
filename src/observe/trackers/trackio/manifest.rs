//! What an artifact is made of, as Trackio writes and digests it: one file, named where it lies.

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::observe::trackers::{Artifact, text};

/// The manifest as it is stored.
pub fn text(artifact: &Artifact) -> String {
    format!("[{}]", entry(artifact))
}

/// The digest that tells versions apart: of the manifest with its keys sorted.
pub fn digest(artifact: &Artifact) -> String {
    // Keys of a JSON object here are sorted as they are.
    hex(&Sha256::digest(text(artifact).as_bytes()))
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Its only entry.
pub fn entry(artifact: &Artifact) -> Json {
    let name = artifact.path.file_name().unwrap_or_default().to_string_lossy();
    json!({
        "digest": format!("blake3:{}", artifact.digest),
        "path": name,
        "ref": text::address(&artifact.path),
        "size": artifact.bytes,
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use sha2::{Digest, Sha256};

    use super::{hex, text};
    use crate::observe::trackers::Artifact;

    #[test]
    fn keys_are_sorted_and_nothing_stands_between_them() {
        let path = PathBuf::from("/data/x y.parquet");
        let artifact = Artifact {
            name: "s.out".into(),
            kind: "table".into(),
            object: path.clone(),
            path,
            digest: "ab".into(),
            bytes: 7,
        };
        let expected =
            r#"[{"digest":"blake3:ab","path":"x y.parquet","ref":"file:///data/x%20y.parquet","size":7}]"#;
        assert_eq!(text(&artifact), expected);
    }

    /// The example of the client's own documents: a file `model.txt` with `weights`.
    #[test]
    fn the_digest_is_the_client_s() {
        let file = hex(&Sha256::digest(b"weights\n"));
        let sorted = format!(r#"[{{"digest":"{file}","path":"model.txt","size":8}}]"#);
        let expected = "287dd050f91213f5447f411f26bafcca52e0bd97cc02d2066426c3eacec33503";
        assert_eq!(hex(&Sha256::digest(sorted.as_bytes())), expected);
    }
}
