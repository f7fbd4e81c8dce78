//! Records of a `.wandb` file as protocol buffers: the few messages and fields that a run needs.
//!
//! The numbers are those of `wandb_internal.proto`.

/// A message being put together.
#[derive(Clone, Debug, Default)]
pub struct Message(Vec<u8>);

impl Message {
    /// An empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds a number; 0 is what a field is that isn't there.
    #[must_use]
    pub fn number(mut self, field: u32, value: u64) -> Self {
        if value != 0 {
            self.varint(u64::from(field) << 3);
            self.varint(value);
        }
        self
    }

    /// Adds a text; an empty one is left out.
    #[must_use]
    pub fn text(self, field: u32, text: &str) -> Self {
        if text.is_empty() { self } else { self.part(field, text.as_bytes()) }
    }

    /// Adds a message.
    #[must_use]
    pub fn message(self, field: u32, message: &Self) -> Self {
        self.part(field, &message.0)
    }

    fn part(mut self, field: u32, bytes: &[u8]) -> Self {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// An item of a config, a row or a summary: a name and JSON. Rows name it in the field for nested names.
pub fn item(name: &str, json: &str, nested: bool) -> Message {
    let item = Message::new();
    let item = if nested { item.text(2, name) } else { item.text(1, name) };
    item.text(16, json)
}

/// A moment in seconds and nanoseconds.
pub fn moment(seconds: f64) -> Message {
    let micros = super::text::micros(seconds).max(0).unsigned_abs();
    Message::new().number(1, micros / 1_000_000).number(2, micros % 1_000_000 * 1_000)
}

/// The first record: who wrote the file, and which reader it takes.
pub fn header(version: &str) -> (u32, Message) {
    let version = Message::new().text(1, &format!("custem/{version}")).text(2, "0.70.0");
    (21, Message::new().message(1, &version))
}
