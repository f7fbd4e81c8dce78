//! How rows are cut for parallel work; it does not know what is done with them.

/// Rows below which cutting costs more than it gains.
const SMALLEST: usize = 4096;

/// Pieces that keep any usual machine busy while what each returns still fits in memory.
const MOST: usize = 256;

/// Rows in a chunk for `rows` rows: a function of that number alone, so that reductions over
/// chunks in their order give the same bits at any thread count.
pub(super) fn chunk_rows(rows: usize) -> usize {
    rows.div_ceil(MOST).max(SMALLEST)
}

#[cfg(test)]
mod tests {
    use super::chunk_rows;

    #[test]
    fn chunks_are_neither_tiny_nor_many() {
        assert_eq!(chunk_rows(1), 4096);
        assert_eq!(chunk_rows(1_000_000), 4096);
        assert!(10_000_000_usize.div_ceil(chunk_rows(10_000_000)) <= 256);
    }
}
