//! Whether true parameters are found again in customers drawn from them.
