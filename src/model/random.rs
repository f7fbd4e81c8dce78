//! Random streams that depend on (seed, purpose, entity) and on nothing else.
//!
//! Threads, order and chunking can't change what an entity draws, and one more entity leaves all
//! others as they were.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// A family of independent ChaCha8 streams, one an entity.
///
/// The key is the blake3 hash of seed and purpose; the entity is ChaCha's own stream number.
#[derive(Clone, Debug)]
pub struct Streams {
    base: ChaCha8Rng,
}

impl Streams {
    /// The family for a seed and a purpose such as `"kmeans restart"`.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("custem 1 random stream");
        hasher.update(&seed.to_le_bytes());
        hasher.update(purpose.as_bytes());
        let base = ChaCha8Rng::from_seed(*hasher.finalize().as_bytes());
        Self { base }
    }

    /// The stream of one entity, from its start.
    pub fn of(&self, entity: u64) -> ChaCha8Rng {
        let mut stream = self.base.clone();
        stream.set_stream(entity);
        stream
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::Streams;

    #[test]
    fn streams_differ_by_seed_purpose_and_entity() {
        let first = |streams: Streams, entity| streams.of(entity).next_u64();
        let draws = [
            first(Streams::new(1, "a"), 0),
            first(Streams::new(2, "a"), 0),
            first(Streams::new(1, "b"), 0),
            first(Streams::new(1, "a"), 1),
        ];
        for (at, draw) in draws.iter().enumerate() {
            assert!(!draws[at + 1..].contains(draw));
        }
        assert_eq!(draws[0], first(Streams::new(1, "a"), 0));
    }
}
